-- A session was used.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- KEYS[3]  shop:activity:{NN}:ID
-- ARGV     hash, when it was used, when the customer had been seen before
--          that (0: not known), milliseconds until the session idles out, 1 if
--          visits earn something
--
-- Written is what is five minutes old, or an hour ahead of a clock that is
-- right; so several servers that tell of one customer write it once.
--
-- A visit begins with the first request after 30 minutes without one.  What
-- is kept here may be older than the last request, so who tells says when
-- that was.  A streak is how many days in a row visits began; the first one of
-- a day is one more.
--
-- A visit that may earn something is owed until the script of the ledger has
-- booked it: "TIME DAYS", the days of the streak, 0 if it is not the first one
-- of its day.
--
-- The end of a session moves when a twentieth of the idle time is used up, at
-- most a day: that write makes every nginx forget the session.
--
-- Returns 0 where there is no such session, 2 if its end has moved, else 1;
-- and the visit that is owed, if there is one.

local session, sessions, activity = KEYS[1], KEYS[2], KEYS[3]
local hash, seen = ARGV[1], tonumber(ARGV[2])
local before, idle = tonumber(ARGV[3]), tonumber(ARGV[4])

local ttl = redis.call('PTTL', session)

if ttl == -2 then
    return { 0 }
end

local held = redis.call('HMGET', activity, 'first_seen', 'last_seen',
                        'visits', 'last_visit', 'streak', 'owed')
local listed = redis.call('ZSCORE', sessions, hash)
local owed = held[6]

local function outdated(at)
    return not at or seen - at >= 300 or at - seen > 3600
end

local last = tonumber(held[2])

if outdated(last) then
    local changes = { 'first_seen', held[1] or ARGV[2], 'last_seen', ARGV[2] }

    local function set(field, value)
        changes[#changes + 1] = field
        changes[#changes + 1] = value
    end

    -- "before" is at most two notes ahead of us: if more, a note was lost

    if not last
       or seen - math.max(last, math.min(before, last + 600)) >= 1800
    then
        local today = math.floor(seen / 86400)
        local visited = math.floor((tonumber(held[4]) or 0) / 86400)
        local streak, days = tonumber(held[5]) or 0, 0

        if today > visited then
            streak = today == visited + 1 and streak + 1 or 1
            days = streak
        end

        set('visits', string.format('%.0f', (tonumber(held[3]) or 0) + 1))
        set('last_visit', ARGV[2])
        set('streak', string.format('%.0f', streak))

        if ARGV[5] == '1' then
            owed = string.format('%s %.0f', ARGV[2], days)
            set('owed', owed)
        end
    end

    redis.call('HSET', activity, unpack(changes))
end

local moves = ttl == -1
              or math.abs(idle - ttl) >= math.min(idle / 20, 24 * 3600 * 1000)

if moves or outdated(tonumber(listed)) then
    redis.call('ZADD', sessions, ARGV[2], hash)
end

if moves then
    redis.call('PEXPIRE', session, ARGV[4])
end

return { moves and 2 or 1, owed }
