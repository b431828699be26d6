-- A session was used.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- KEYS[3]  shop:activity:{NN}:ID
-- ARGV     hash, when it was used, when the customer had been seen before
--          that (0: not known), milliseconds until the session idles out
--
-- Written is what is five minutes old, or an hour ahead of a clock that is
-- right; so several servers that tell of one customer write it once.
--
-- A visit begins with the first request after 30 minutes without one.  What
-- is kept here may be older than the last request, so who tells says when
-- that was.
--
-- The end of a session moves when a twentieth of the idle time is used up, at
-- most a day: that write makes every nginx forget the session.
--
-- Returns 0 where there is no such session, 2 if its end has moved, else 1.

local session, sessions, activity = KEYS[1], KEYS[2], KEYS[3]
local hash, seen = ARGV[1], tonumber(ARGV[2])
local before, idle = tonumber(ARGV[3]), tonumber(ARGV[4])

local ttl = redis.call('PTTL', session)

if ttl == -2 then
    return 0
end

local held = redis.call('HMGET', activity, 'first_seen', 'last_seen',
                        'visits')
local listed = redis.call('ZSCORE', sessions, hash)

local function outdated(at)
    return not at or seen - at >= 300 or at - seen > 3600
end

local last, visits = tonumber(held[2]), tonumber(held[3]) or 0

if outdated(last) then

    if not last or seen - math.max(last, before) >= 1800 then
        visits = visits + 1
    end

    redis.call('HSET', activity, 'first_seen', held[1] or ARGV[2],
               'last_seen', ARGV[2], 'visits', string.format('%.0f', visits))
end

local moves = ttl == -1
              or math.abs(idle - ttl) >= math.min(idle / 20, 24 * 3600 * 1000)

if moves or outdated(tonumber(listed)) then
    redis.call('ZADD', sessions, ARGV[2], hash)
end

if moves then
    redis.call('PEXPIRE', session, ARGV[4])
    return 2
end

return 1
