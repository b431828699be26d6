-- Customers of a partition for whom something is due are taken to be settled.
--
-- KEYS[1]  shop:due:{NN}
-- ARGV     now, seconds for which nobody else takes them, how many at most
--
-- Who is settled is given the right time by that; who is not, since his worker
-- was killed, is due again after those seconds.
--
-- Returns since when the first of them is due, and then their ids; or nothing.

local queue = KEYS[1]
local now, kept = tonumber(ARGV[1]), tonumber(ARGV[2])

local list = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'WITHSCORES',
                        'LIMIT', 0, ARGV[3])

if #list == 0 then
    return {}
end

local ids = { list[2] }
local later = {}

for i = 1, #list, 2 do
    ids[#ids + 1] = list[i]
    later[#later + 1] = now + kept
    later[#later + 1] = list[i]
end

redis.call('ZADD', queue, 'XX', unpack(later))

return ids
