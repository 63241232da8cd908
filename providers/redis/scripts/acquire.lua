-- Takes the lease of an incident, with a token greater than all before it.
--
-- KEYS[1]  the lease, a hash: holder, token, until (in ms)
-- KEYS[2]  the newest lease token, a counter that is never reset
-- ARGV[1]  holder
-- ARGV[2]  now in ms, by the caller's clock
-- ARGV[3]  until in ms, by the caller's clock
--
-- Returns {'taken', token}, or {'held', holder, until} when the lease of another
-- holder has not run out.

local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then
  local till = redis.call('HGET', KEYS[1], 'until')
  if tonumber(ARGV[2]) < tonumber(till) then
    return {'held', holder, till}
  end
end
local token = redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', string.format('%d', token), 'until', ARGV[3])
return {'taken', token}
