-- Does on keys of its own all that the other scripts do, and leaves nothing behind:
-- a server or a user that refuses any of it refuses this.
--
-- KEYS[1]  a stream; KEYS[2]  a hash; KEYS[3]  a sorted set; KEYS[4]  a number
--
-- Returns 1.

redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('XADD', KEYS[1], '1-0', 'e', '')
redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
redis.call('XLEN', KEYS[1])
redis.call('HSET', KEYS[2], 'a', '1')
redis.call('HGET', KEYS[2], 'a')
redis.call('ZADD', KEYS[3], 1, 'a')
redis.call('ZSCORE', KEYS[3], 'a')
redis.call('ZCARD', KEYS[3])
redis.call('ZREM', KEYS[3], 'a')
redis.call('INCR', KEYS[4])
redis.call('GET', KEYS[4])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return 1
