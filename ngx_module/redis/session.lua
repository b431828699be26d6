-- A new session.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- KEYS[3]  shop:customer:{NN}:ID
-- ARGV     hash, now, milliseconds until it idles out, created, provider,
--          auth_time, expires, agent, how many sessions a customer may have,
--          when the token was issued that an app brought or 0
--
-- A token of before the provider has ended all sessions, see leave.lua, makes
-- none.  That is looked at here as well as in customer.lua: a notice may be
-- carried out in between.
--
-- Sessions that are over leave the list of devices here.  One that was not
-- seen for as long as the new one may be idle need not be over: another server
-- may let it be idle for longer, and what ends all sessions finds them in the
-- list only.  So it is looked at the sessions themselves: their keys are in
-- the slot of KEYS[1] and begin as it does.  What is no hash is no session,
-- and must not name another key.
--
-- If there are still as many as there may be, those end that were seen longest
-- ago, at most as many again.
--
-- All of that comes first: if the list is of a wrong type, no session is left
-- behind that nobody has.  Returns the hashes of the sessions that ended, or 0
-- for such a token.

local session, list = KEYS[1], KEYS[2]
local hash, now, ttl, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[9])

if ARGV[10] ~= '0' then
    local until_then = redis.call('HGET', KEYS[3], 'ended:' .. ARGV[5])

    if tonumber(ARGV[10]) <= (tonumber(until_then or '') or 0) then
        return 0
    end
end

local prefix = string.sub(session, 1, -1 - #hash)
local before = string.format('(%.0f', now - math.ceil(ttl / 1000))
local ended = {}

local function is_hash(text)
    return #text == 64 and not string.find(text, '[^0-9a-f]')
end

for _, it in ipairs(redis.call('ZRANGEBYSCORE', list, '-inf', before,
                               'LIMIT', 0, most))
do
    if not is_hash(it) or redis.call('PTTL', prefix .. it) == -2 then
        redis.call('ZREM', list, it)
    end
end

local over = redis.call('ZCARD', list) - most + 1

if over > 0 then
    for _, it in ipairs(redis.call('ZRANGE', list, 0,
                                   math.min(over, most) - 1))
    do
        if is_hash(it) and redis.call('DEL', prefix .. it) == 1 then
            ended[#ended + 1] = it
        end

        redis.call('ZREM', list, it)
    end
end

redis.call('ZADD', list, now, hash)

redis.call('HSET', session, 'provider', ARGV[5], 'created', ARGV[4],
           'auth_time', ARGV[6], 'expires', ARGV[7], 'agent', ARGV[8])
redis.call('PEXPIRE', session, ttl)

return ended
