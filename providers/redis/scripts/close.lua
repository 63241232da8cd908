-- Lets the next incident open.
--
-- KEYS[1]  the current incident, a hash: id, at
-- ARGV[1]  the incident to close
--
-- Returns 1 when it was the current one, else 0 and nothing happened.

if redis.call('HGET', KEYS[1], 'id') == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return 1
end
return 0
