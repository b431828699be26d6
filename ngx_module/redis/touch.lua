-- A session was used: its idle end moves, unless it is over.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- ARGV     hash, now, milliseconds until it idles out
--
-- Returns 1, or 0 where there is no such session.

if redis.call('PEXPIRE', KEYS[1], ARGV[3]) == 0 then
    return 0
end

redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])

return 1
