-- Puts an incident on the list of all, once.
--
-- KEYS[1]  all incidents, a sorted set in the order in which they came
-- ARGV[1]  incident id
--
-- Returns 1 when it is new on the list, else 0.

if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[1], redis.call('ZCARD', KEYS[1]) + 1, ARGV[1])
return 1
