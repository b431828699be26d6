-- A session was used.
--
-- KEYS[1]  shop:session:{NN}:ID:HASH
-- KEYS[2]  shop:sessions:{NN}:ID
-- KEYS[3]  shop:activity:{NN}:ID
-- KEYS[4]  shop:view:{NN}:ID
-- KEYS[5]  shop:customer:{NN}:ID
-- KEYS[6]  shop:shown:{NN}
-- ARGV     hash, when it was used, when the customer had been seen before
--          that (0: not known), milliseconds until the session idles out; 1 if
--          visits earn something, segments ask for visits, they ask for the
--          profile, else 0; promotions that were shown, "CODE ARM CONVERT
--          ...", and when
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
-- The frequency of visits, in thousandths, is halved by 30 days without any,
-- and each one adds 1.  "earlier_visit" is the last one of a day before that
-- of "last_visit".
--
-- What segments ask for is copied to the view, where requests see it; that
-- write makes every nginx forget the customer, so it is done for what has
-- changed only.
--
-- A promotion is shown, or held back, once a day: "ARM SINCE LAST CONVERT" is
-- kept of it, and that there is any.  An order less than CONVERT seconds after
-- LAST is one for it, and so are all from SINCE on: until LAST, no moment is
-- so long after the one before at which it was shown.  Behind it are those of
-- before, the later ones first, as long as orders may be booked that are so
-- old.  A customer who was in the arm before is not another one.
--
-- The end of a session moves when a twentieth of the idle time is used up, at
-- most a day: that write makes every nginx forget the session.
--
-- Returns 0 where there is no such session, 2 if its end has moved, else 1;
-- the visit that is owed, if there is one; and 1 if the view has changed.

local session, sessions, activity, view, customer, counters = unpack(KEYS)
local hash, seen = ARGV[1], tonumber(ARGV[2])
local before, idle = tonumber(ARGV[3]), tonumber(ARGV[4])

local ttl = redis.call('PTTL', session)

if ttl == -2 then
    return { 0 }
end

local held = redis.call('HMGET', activity, 'first_seen', 'last_seen',
                        'visits', 'last_visit', 'streak', 'owed',
                        'earlier_visit', 'frequency')
local listed = redis.call('ZSCORE', sessions, hash)
local owed = held[6]
local half_life = 30 * 86400
local days_back, stretches_kept = 430, 60
local changed = 0

local function outdated(at)
    return not at or seen - at >= 300 or at - seen > 3600
end

-- what is no whole number would make the view one that nobody understands

local function whole(text)
    local n = tonumber(text)

    return n and n >= 0 and n < 2 ^ 53 and string.format('%.0f', n) or '0'
end


-- to the view; "" is none

local function copy(values)
    for field, value in pairs(values) do
        if (redis.call('HGET', view, field) or '') ~= value then
            changed = 1

            if value == '' then
                redis.call('HDEL', view, field)

            else
                redis.call('HSET', view, field, value)
            end
        end
    end
end


local function profile()
    local fields = redis.call('HGETALL', customer)
    local locale, linked, names = '', {}, {}

    for i = 1, #fields, 2 do
        local name = string.match(fields[i], '^id:([%w_-]+):')

        if name and not linked[name] and #names < 64 then
            linked[name] = true
            names[#names + 1] = name
        end

        if fields[i] == 'locale' and #fields[i + 1] <= 40 then
            locale = string.match(fields[i + 1], '^[%w_-]+$') or ''
        end
    end

    table.sort(names)

    return { locale = locale, providers = table.concat(names, ',') }
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
        local before_that = tonumber(held[4]) or 0
        local visited = math.floor(before_that / 86400)
        local streak, days = tonumber(held[5]) or 0, 0
        local frequency = (tonumber(held[8]) or 0)
                          * 2 ^ (math.min(before_that - seen, 0) / half_life)

        if today > visited then
            streak = today == visited + 1 and streak + 1 or 1
            days = streak

            if before_that ~= 0 then
                held[7] = string.format('%.0f', before_that)
                set('earlier_visit', held[7])
            end
        end

        held[4] = ARGV[2]
        held[5] = string.format('%.0f', streak)
        held[8] = string.format('%.0f', frequency + 1000)

        set('visits', string.format('%.0f', (tonumber(held[3]) or 0) + 1))
        set('last_visit', held[4])
        set('streak', held[5])
        set('frequency', held[8])

        if ARGV[5] == '1' then
            owed = string.format('%s %.0f', ARGV[2], days)
            set('owed', owed)
        end
    end

    redis.call('HSET', activity, unpack(changes))

    if ARGV[6] == '1' then
        copy({ visits = whole(held[4]) .. ' ' .. whole(held[7]) .. ' '
                        .. whole(held[8]) .. ' ' .. whole(held[5]) })
    end

    if ARGV[7] == '1' then
        copy(profile())
    end
end

-- a figure that is none must not stop it half-way

local function counts(code, arm, what)
    redis.pcall('HINCRBY', counters, code .. ':' .. arm .. ':' .. what, 1)
end


local function earlier(text, at)
    local list, n = '', 1

    for it in string.gmatch(text, '%a+ %d+ %d+ %d+') do
        local last, kept = string.match(it, '(%d+) (%d+)$')

        if n < stretches_kept and last + kept > at - days_back * 86400 then
            list, n = list .. ' ' .. it, n + 1
        end
    end

    return list
end


local function show(code, arm, convert)
    local field = 'shown:' .. code
    local at = tonumber(ARGV[9])
    local text = redis.call('HGET', activity, field) or ''
    local was, rest = string.match(text, '^(%a+) %d+ %d+ %d+(.*)$')
    local since, last, before = string.match(
        text, arm .. ' (%d+) (%d+) (%d+)')

    if last and math.floor(at / 86400) <= math.floor(last / 86400) then
        return
    end

    if not last then
        counts(code, arm, 'customers')
    end

    if was ~= arm or at - last >= before + 0 then
        since, rest = ARGV[9], earlier(text, at)
    end

    counts(code, arm, 'exposures')
    redis.call('HSET', activity, 'shown', 1, field,
               arm .. ' ' .. since .. ' ' .. ARGV[9] .. ' ' .. convert
               .. rest)
end

for code, arm, convert in string.gmatch(ARGV[8], '(%S+) (%a+) (%d+)') do
    show(code, arm, convert)
end

local moves = ttl == -1
              or math.abs(idle - ttl) >= math.min(idle / 20, 24 * 3600 * 1000)

if moves or outdated(tonumber(listed)) then
    redis.call('ZADD', sessions, ARGV[2], hash)
end

if moves then
    redis.call('PEXPIRE', session, ARGV[4])
end

return { moves and 2 or 1, owed, changed }
