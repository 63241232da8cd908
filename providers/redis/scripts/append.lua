-- Adds events to a timeline in one piece, with what they do to the register of
-- incidents and to the platform's lock, or nothing.
--
-- KEYS[1]  the timeline, a stream whose ids are <seq>-0, gapless from 1-0; field e
--          is the event as JSON, field d its digest
-- KEYS[2]  the newest lease token of the incident, a counter
-- KEYS[3]  request id -> seq of its last event, a hash that is never trimmed
-- KEYS[4]  all incidents, a sorted set in the order in which they began
-- KEYS[5]  those that are open, likewise
-- KEYS[6]  year -> last number that began a timeline, a hash
-- KEYS[7]  request id -> the incident that it began, a hash that is never trimmed
-- KEYS[8]  the run that may change things, a hash: incident, run
-- KEYS[9]  the bell, a stream that tells every replica of each append
-- ARGV[1]  after: the seq that the writer has seen last, 0 for a new timeline
-- ARGV[2]  the digest of that event, '' for a new timeline
-- ARGV[3]  the writer's lease token, 0 when it writes without a lease
-- ARGV[4]  request id
-- ARGV[5]  the incident, '' when the timeline is none
-- ARGV[6]  its year, 0 when its id has none, and ARGV[7] its number
-- ARGV[8]  'opens', 'reopens' (it began before, although that was lost), 'closes' or ''
-- ARGV[9]  the run that takes the lock, or ''
-- ARGV[10] the run that gives it back, or ''
-- ARGV[11] and following: the events, each as JSON and then its digest
--
-- Returns {what, seq}:
--   written  seq of the last event added
--   repeat   the request was written before; seq of its last event then
--   moved    nothing added; seq of the last event there is
--   fenced   nothing added; the newest lease token
--   taken    nothing added; the last number that began a timeline in that year
--   locked   nothing added; then the incident and the run that hold the lock
--
-- The id of the last event is the top, so the cost is the same at any length, and an
-- event that somebody removed from the middle changes nothing of that. Where the last
-- ones were removed, XADD refuses their ids: then the stream is set back to what is
-- left, as if it had been restored from an older copy. The events are added before
-- all else, for what a script has written stays when a later command fails.

local after = tonumber(ARGV[1])
local fence = tonumber(ARGV[3])
local id, year, number = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local locks, unlocks = ARGV[9], ARGV[10]

if fence ~= 0 then
  local newest = tonumber(redis.call('GET', KEYS[2]) or '0')
  -- A token above the newest belongs to a count that the server has lost.
  if fence ~= newest then
    return {'fenced', newest}
  end
end

local before = redis.call('HGET', KEYS[3], ARGV[4])
if before then
  -- Written again, unchanged, so that a WAIT or WAITAOF on this connection has a
  -- write of its own to cover, and with it everything that came before.
  redis.call('HSET', KEYS[3], ARGV[4], before)
  return {'repeat', tonumber(before)}
end

local top, newest = 0, redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest then
  top = tonumber(string.match(newest[1], '^%d+'))
end
if top ~= after then
  return {'moved', top}
end
if top > 0 then
  local last = newest[2]
  for i = 1, #last, 2 do
    if last[i] == 'd' and last[i + 1] ~= ARGV[2] then
      return {'moved', top}
    end
  end
end

local held, holds = redis.call('HGET', KEYS[8], 'incident'), redis.call('HGET', KEYS[8], 'run')
local ours = held and held == id and (holds == unlocks or holds == locks)
if locks ~= '' and held and not ours then
  return {'locked', top, held, holds}
end

local last = 0
if top == 0 and id ~= '' and year > 0 then
  last = tonumber(redis.call('HGET', KEYS[6], ARGV[6]) or '0')
  if number <= last and ARGV[8] == 'opens' then
    return {'taken', last}
  end
end

local function add(n, i)
  return redis.pcall('XADD', KEYS[1], string.format('%d-0', n), 'e', ARGV[i], 'd', ARGV[i + 1])
end
local added = add(top + 1, 11)
if type(added) == 'table' and added.err and string.find(added.err, 'equal or smaller', 1, true) then
  local back = redis.pcall('XSETID', KEYS[1], string.format('%d-0', top))
  if not (type(back) == 'table' and back.err) then
    added = add(top + 1, 11)
  end
end
if type(added) == 'table' and added.err then
  return added
end

if top == 0 and id ~= '' then
  if year > 0 and number > last then
    redis.call('HSET', KEYS[6], ARGV[6], ARGV[7])
  end
  redis.call('ZADD', KEYS[4], redis.call('ZCARD', KEYS[4]) + 1, id)
  redis.call('HSET', KEYS[7], ARGV[4], id)
end
if ours then
  redis.call('DEL', KEYS[8])
end
if locks ~= '' then
  redis.call('HSET', KEYS[8], 'incident', id, 'run', locks)
end
if ARGV[8] == 'closes' then
  redis.call('ZREM', KEYS[5], id)
elseif ARGV[8] == 'opens' or ARGV[8] == 'reopens' then
  redis.call('ZADD', KEYS[5], 'NX', redis.call('ZSCORE', KEYS[4], id) or 0, id)
end

local digest
for i = 11, #ARGV, 2 do
  top = top + 1
  digest = ARGV[i + 1]
  if i > 11 then
    redis.call('XADD', KEYS[1], string.format('%d-0', top), 'e', ARGV[i], 'd', digest)
  end
end
redis.call('HSET', KEYS[3], ARGV[4], string.format('%d', top))
redis.call('XADD', KEYS[9], 'MAXLEN', '~', '1000', '*', 'log', KEYS[1], 'seq', string.format('%d', top), 'd', digest)
return {'written', top}
