-- One session ends.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- ARGV     hash
--
-- Returns how many ended: 0 or 1.

redis.call('ZREM', KEYS[2], ARGV[1])

return redis.call('DEL', KEYS[1])
