-- Takes the lease of an incident, with a token greater than all before it.
--
-- KEYS[1]  the lease, a hash: holder, token, until (in ms)
-- KEYS[2]  the newest lease token, a counter that is never reset
-- ARGV[1]  holder
-- ARGV[2]  until in ms, by the caller's clock
-- ARGV[3]  the token of the lease that is taken over, 0 for none
-- ARGV[4]  the until of that lease, as it is here
-- ARGV[5]  the newest token that the caller knows of
--
-- Returns {'taken', token}, or {'held', holder, token, until} when there is the lease
-- of another holder and it is not the one that is taken over.

local has = redis.call('HMGET', KEYS[1], 'holder', 'token', 'until')
if has[1] and has[1] ~= ARGV[1] and not (has[2] == ARGV[3] and has[3] == ARGV[4]) then
  return {'held', has[1], has[2] or '', has[3] or ''}
end
local token = redis.call('INCR', KEYS[2])
if token <= tonumber(ARGV[5]) then
  token = tonumber(ARGV[5]) + 1
  redis.call('SET', KEYS[2], string.format('%d', token))
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'token', string.format('%d', token), 'until', ARGV[2])
return {'taken', token}
