-- Gives a lease back. The counter of tokens stays, so the next one is greater.
--
-- KEYS[1]  the lease, a hash: holder, token, until
-- ARGV[1]  our token
--
-- Returns 1, or 0 when the lease was no longer ours and stays as it is.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
