-- One session ends.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- ARGV     hash
--
-- The session goes first: what is wrong with the list must not keep it.
-- Returns how many ended: 0 or 1.

local ended = redis.call('DEL', KEYS[1])

redis.call('ZREM', KEYS[2], ARGV[1])

return ended
