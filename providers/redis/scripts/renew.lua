-- Prolongs a lease that is still ours. One that has run out and that nobody took
-- is still ours.
--
-- KEYS[1]  the lease, a hash: holder, token, until (in ms)
-- ARGV[1]  our token
-- ARGV[2]  the new until in ms, by the caller's clock
--
-- Returns 1, or 0 when the lease is no longer ours.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'until', ARGV[2])
return 1
