-- An event waits for a customer who is not known yet.
--
-- KEYS[1]  shop:identity:NAME:SUBJECT or shop:email:SHA256
-- KEYS[2]  shop:kept:{KEYS[1]}
-- ARGV     now, id of the event, its words
--
-- An entry is the time since when it waits, and the words, of which the first
-- is the id.  Both keys lie in one slot, so nobody can become known between
-- the look at the one and the write to the other: whoever claims the first
-- has all that ever will be in the second.
--
-- Returns "known" and the customer, or "kept", "duplicate" or "refused" and
-- the reason.

local known, kept = unpack(KEYS)
local now, id, words = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local max, time_kept = 100, 30 * 86400

local customer = redis.call('GET', known)

if customer then
    return { 'known', customer }
end

local entries = redis.call('LRANGE', kept, 0, -1)
local old = 0

for _, entry in ipairs(entries) do
    local since, other = string.match(entry, '^(%d+) (.*)$')

    if tonumber(since) <= now - time_kept then
        old = old + 1

    elseif string.sub(other, 1, #id + 1) == id .. ' ' then

        if other == words then
            return { 'duplicate', '' }
        end

        return { 'refused', 'id_reused' }
    end
end

if #entries - old >= max then
    return { 'refused', 'kept_full' }
end

redis.call('LTRIM', kept, old, -1)
redis.call('RPUSH', kept, ARGV[1] .. ' ' .. words)
redis.call('EXPIRE', kept, time_kept)

return { 'kept', '' }
