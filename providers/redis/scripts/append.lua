-- Adds events to a timeline in one piece, or nothing.
--
-- KEYS[1]  the timeline, a stream whose ids are <seq>-0, gapless from 1-0
-- KEYS[2]  the newest lease token of the incident, a counter
-- KEYS[3]  request id -> seq of its last event, a hash that is never trimmed
-- ARGV[1]  after: the seq that the writer has seen last, 0 for a new timeline
-- ARGV[2]  the writer's lease token, 0 when it writes without a lease
-- ARGV[3]  request id
-- ARGV[4]  and following: the events, each as JSON
--
-- Returns {what, seq}:
--   written  seq of the last event added
--   repeat   the request was written before; seq of its last event then
--   moved    nothing added; seq of the last event there is
--   fenced   nothing added; the newest lease token
--
-- The length of the stream is its top: ids are gapless, and XADD itself refuses
-- an id that is not above the newest. So the cost is the same at any length.

local after = tonumber(ARGV[1])
local fence = tonumber(ARGV[2])

if fence ~= 0 then
  local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
  if fence < newest then
    return {'fenced', newest}
  end
end

local before = redis.call('HGET', KEYS[3], ARGV[3])
if before then
  -- Written again, unchanged, so that a WAIT or WAITAOF on this connection has a
  -- write of its own to cover, and with it everything that came before.
  redis.call('HSET', KEYS[3], ARGV[3], before)
  return {'repeat', tonumber(before)}
end

local top = redis.call('XLEN', KEYS[1])
if top ~= after then
  return {'moved', top}
end

for i = 4, #ARGV do
  top = top + 1
  redis.call('XADD', KEYS[1], string.format('%d-0', top), 'e', ARGV[i])
end
redis.call('HSET', KEYS[3], ARGV[3], string.format('%d', top))
return {'written', top}
