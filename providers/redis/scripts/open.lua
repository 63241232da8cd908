-- Reserves the id of a new incident and makes it the current one.
--
-- KEYS[1]  the current incident, a hash: id, at (reserved, in ms)
-- KEYS[2]  year -> last number given, a hash
-- KEYS[3]  request id -> incident id, a hash that is never trimmed
-- ARGV[1]  request id
-- ARGV[2]  year
-- ARGV[3]  now in ms
-- ARGV[4]  the incident that the caller found without events, or ''
-- ARGV[5]  when that one was reserved, as this script returned it, or ''
--
-- Returns {what, id, at}:
--   new    a fresh id
--   same   the request had this id before
--   again  the abandoned reservation of ARGV[4], given again
--   open   another incident is current: its id and when it was reserved
--
-- Whether an incident has events cannot be seen from here: its keys may live on
-- another node. The caller looks and comes back with ARGV[4] and ARGV[5]; if the
-- reservation has changed meanwhile, that counts for nothing.

local given = redis.call('HGET', KEYS[3], ARGV[1])
if given then
  return {'same', given, ''}
end

local id = redis.call('HGET', KEYS[1], 'id')
if id then
  local at = redis.call('HGET', KEYS[1], 'at')
  if id ~= ARGV[4] or at ~= ARGV[5] then
    return {'open', id, at}
  end
  redis.call('HSET', KEYS[1], 'at', ARGV[3])
  redis.call('HSET', KEYS[3], ARGV[1], id)
  return {'again', id, ARGV[3]}
end

local n = redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
id = string.format('INC-%04d-%04d', tonumber(ARGV[2]), n)
redis.call('HSET', KEYS[1], 'id', id, 'at', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[1], id)
return {'new', id, ARGV[3]}
