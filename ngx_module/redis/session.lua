-- A new session.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- ARGV     hash, now, milliseconds until it idles out, created, provider,
--          auth_time, expires, agent
--
-- Sessions that idled out leave the list of devices here.  It comes first: if
-- it is of a wrong type, no session is left behind that nobody has.  Returns
-- 1.

local hash, now, ttl = ARGV[1], ARGV[2], ARGV[3]

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf',
           string.format('(%.0f', now - math.ceil(ttl / 1000)))
redis.call('ZADD', KEYS[2], now, hash)

redis.call('HSET', KEYS[1], 'provider', ARGV[5], 'created', ARGV[4],
           'auth_time', ARGV[6], 'expires', ARGV[7], 'agent', ARGV[8])
redis.call('PEXPIRE', KEYS[1], ttl)

return 1
