-- An event of a customer is booked.
--
-- KEYS[1]  shop:view:{NN}:ID
-- KEYS[2]  shop:ledger:{NN}:ID
-- KEYS[3]  shop:seen:{NN}:ID
-- KEYS[4]  shop:lots:{NN}:ID
-- KEYS[5]  shop:orders:{NN}:ID
-- KEYS[6]  shop:activity:{NN}:ID
-- KEYS[7]  shop:days:{NN}:ID
-- KEYS[8]  shop:due:{NN}
-- KEYS[9]  shop:shown:{NN}
-- KEYS[10] shop:budget:{NN}
-- ARGV     now, kind, id of the event, its time, order, amount, option,
--          promotions, number of tiers; then the tiers, lowest first: name,
--          what it asks for; then the earning rules for such events: what,
--          points, "per" (of a streak: days), "min", pace, tier, multipliers
--          ("TIER:THOUSANDTHS ..."), lot; 0 or "" is none
--
-- Kinds: "settle", which does what is due and nothing else; "login"; "visit",
-- whose amount is how many days in a row there were visits, if it is the first
-- one of its day; "custom", with its name for an order and an amount of money;
-- "order" and "refund" of an amount of money; "spend" and "adjust" of an
-- amount of points, where the option "qualifying" makes them count towards
-- tiers; "grant" of the tier "order" until the time "amount".
--
-- Points are active, or pending until their lot activates.  A lot is named by
-- its two dates, ACTIVATES:EXPIRES, so what has the same dates is one lot.
-- Points without dates lie in none: they are what the view has more than the
-- active lots, and "-" is their name.  What is due by "now" is done first.
--
-- An order is kept as "TOTAL REFUNDED TIME MULTIPLIER", then "PER POINTS LOT"
-- of each rule that paid; TOTAL is "-" where only refunds have come.  Its
-- points are always worked out anew of what is left, so nothing drifts.
--
-- Promotions are those that an order names, nine words of each: its name, "-"
-- or what has become of it already ("unknown", "foreign", "sold_out"), the
-- code; how often a customer may redeem it, 0 any number, the day for which it
-- counts, and from which day on, and up to which, all that did so are looked
-- at; its budget, 0 none, and how much of it was leased to the partition in
-- all, as far as that is known, else 0.  The days are those of all windows
-- that roll over that day, of which none may have too many; or a period of the
-- calendar with its first day, or 0, 0 and 1 for ever.  "used:CODE" of
-- "activity" holds how often it was, "DAY:TIMES ..."; "limits" of the view has
-- it for requests, "CODE:TIMES:UNTIL ...".  What became of them is kept with
-- the order.  redis/recall.lua tells of the budgets of a partition; what was
-- leased by a larger budget is not used.
--
-- The pace of a rule is "FIELD EVERY LIMIT START": it pays again after so many
-- seconds, and so often in the period that begins with that day.  The field of
-- "activity" holds what it has paid, "LAST START:TIMES ...": when it did so
-- last, and how often in each period.
--
-- What a tier asks for are words of NAME=VALUE: points, spend, orders; window,
-- "calendar" or a number of days (for ever without it); match=all; valid,
-- "calendar", or seconds or months ("12M"), after which that day ends (for
-- ever without it); grace, in seconds; downgrade, "one" or "none".
--
-- An order is a conversion of each promotion that the customer was shown, or
-- that was held back, so shortly before: see activity.lua.
--
-- An id is scored by the day it was booked and a digest of the content, for
-- 400 days; "signup" for ever, at the first login, even where nothing is paid
-- for it, so that a rule that comes later is for who comes later.  A login
-- that is not paid leaves no trace.  A visit is booked if the field "owed" of
-- "activity" is that visit, and goes with it.
--
-- All is read and checked first and written at the end, so an error leaves
-- nothing half done; and what changes nothing writes nothing, since a write
-- empties the caches of every nginx.  Numbers are integers below 2^53.
--
-- All of this text runs for each event, and a function takes its time by being
-- there, the more of them the longer each: what only some events need is made
-- for these, and what is done once is no function.  "x + 0" reads a number in
-- a third of the time of tonumber().
--
-- Returns what became of it ("booked", "duplicate", "kept", "refused"), the
-- reason, or "lease" and the code of a promotion of whose budget the partition
-- has to lease some first, so nothing is booked; and then points, pending
-- points, tier, since when and until when it is held, the points towards the
-- next one, when something is due again, what became of the promotions,
-- "NAME=WORD ...", and of the budgets that were looked at, "CODE LEASED
-- RETURNED USED ...".

local view, ledger, seen, lots, orders, activity, days, queue, shown, budgets
    = unpack(KEYS)
local now, kind, id = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local time, order, option = tonumber(ARGV[4]), ARGV[5], ARGV[7]

local max = 9007199254740991
local day, days_kept, ahead = 86400, 400, 300
local spare = 32        -- days that a clock may go back
local limits_kept = 32
local today = math.floor(now / day)

local digests = 2 ^ 36
local digest = 0

if kind ~= 'login' and kind ~= 'visit' then
    local content = kind .. ' ' .. ARGV[4] .. ' ' .. ARGV[6] .. ' ' .. option
                    .. ' ' .. order

    digest = tonumber(string.sub(redis.sha1hex(content), 1, 9), 16)
end


local find = string.find

local function integer(text)
    local n = find(text, '^%-?%d+$') and text + 0

    return n and n <= max and n >= -max and n or nil
end

local amount = integer(ARGV[6])


-- "%d" takes half the time, and has 32 bits on any machine

local format = string.format

local function decimal(n)
    return format(n < 2147483648 and n > -2147483648 and '%d' or '%.0f', n)
end


local function words(text)
    local list = {}

    for word in string.gmatch(text, '%S+') do
        list[#list + 1] = word
    end

    return list
end


-- The customer, as held and as it will be; the first ones are numbers.  What
-- was "earned" is kept where a tier was "granted", and asked for only then.

local fields = { 'points', 'pending', 'qualifying', 'orders', 'nothing',
                 'spend', 'last_order', 'next_due', 'tier_since',
                 'tier_until', 'toward', 'created', 'tier', 'granted',
                 'earned' }
local numbers, read = 12, 14
local held = redis.call('HMGET', view, unpack(fields, 1, read))
local exists = false

-- a table that is made with all of its fields need not grow

local is = { points = 0, pending = 0, qualifying = 0, orders = 0, nothing = 0,
             spend = 0, last_order = 0, next_due = 0, tier_since = 0,
             tier_until = 0, toward = 0, created = 0, tier = '', granted = '',
             earned = '' }

for i = 1, read do
    local field, value = fields[i], held[i]

    if value then
        exists = true

        if i <= numbers then
            value = integer(value)

            if not value then
                return redis.error_reply('ERR the view holds no integer')
            end
        end

        is[field] = value
    end

    held[i] = is[field]
end

if is.granted ~= '' then
    is.earned = redis.call('HGET', view, 'earned') or ''
end

held[#fields] = is.earned

local entries, marks, conversions = {}, {}, {}
local paid, record, visited = {}
local results, figures, reserved, told = '', {}, {}
local promoted = {}


local function enter(word, points, lot, event)
    entries[#entries + 1] = ARGV[1] .. ' ' .. word .. ' ' .. decimal(points)
                            .. ' ' .. lot .. ' ' .. decimal(is.points) .. ' '
                            .. event
end


-- tiers and rules

local tiers, rules = {}, {}
local at, windowed = 10, false
local tier_at = {}

for i = 1, tonumber(ARGV[9]) do
    tiers[i] = { name = ARGV[at], words = ARGV[at + 1] }
    tier_at[ARGV[at]] = i
    windowed = windowed or find(ARGV[at + 1], 'window=', 1, true)
    at = at + 2
end

while at <= #ARGV do
    rules[#rules + 1] = {
        what = ARGV[at], points = ARGV[at + 1] + 0,
        per = ARGV[at + 2] + 0, min = ARGV[at + 3] + 0,
        pace = ARGV[at + 4], tier = ARGV[at + 5],
        multiply = ARGV[at + 6], lot = ARGV[at + 7],
        record = ' ' .. ARGV[at + 2] .. ' ' .. ARGV[at + 1] .. ' '
                 .. ARGV[at + 7]
    }
    at = at + 8
end


local function asked(tier)
    if not tier.asked then
        tier.asked = {}

        for name, value in string.gmatch(tier.words, '(%a+)=(%S+)') do
            tier.asked[name] = tonumber(value) or value
        end
    end

    return tier.asked
end


-- The calendar: months are counted from January 1970, as days are.  Returns
-- functions: the first day of the year of "date", or of one that comes "more"
-- years later; and the date that is some months later, or the last day of its
-- month.

local function calendar()
    local function first_day(month)
        local year = 1970 + math.floor(month / 12)

        -- years begin in March, so that the leap day is the last one

        month = month % 12 - 1

        if month <= 0 then
            month, year = month + 12, year - 1
        end

        return 365 * year + math.floor(year / 4) - math.floor(year / 100)
               + math.floor(year / 400) + math.floor(367 * month / 12) - 719498
    end


    local function month_of(date)
        local month = math.floor(date / 30.436875)

        while first_day(month) > date do
            month = month - 1
        end

        while first_day(month + 1) <= date do
            month = month + 1
        end

        return month
    end


    local function year_start(date, more)
        return first_day(12 * (math.floor(month_of(date) / 12) + more))
    end


    local function months_later(date, more)
        local month = month_of(date)
        local within = date - first_day(month)

        month = month + more

        return math.min(first_day(month) + within, first_day(month + 1) - 1)
    end

    return year_start, months_later
end


-- What counts towards tiers, by day: the number of a day, points, spend and
-- orders, and so on; "since" is the day on which all that was counted before
-- is taken together.  It is kept where a tier looks back a part of it.

local past = {}

if windowed then
    local known
    local year_start = calendar()

    local function all_days()
        local text

        if known then
            return known
        end

        text = redis.call('GET', days)

        if text then
            known = cmsgpack.unpack(text)

        elseif is.qualifying == 0 and is.orders == 0 then
            known = { 0 }

        else
            known = { today, today, is.qualifying, is.spend,
                      is.orders - is.nothing }
            past.changed = true
        end

        return known
    end


    function past.count(at, points, spend, ordered)
        local list = all_days()
        local date = math.max(math.floor(at / day), list[1])
        local i = #list - 3

        while i > 1 and list[i] > date do
            i = i - 4
        end

        if i < 2 or list[i] ~= date then
            i = math.max(i + 4, 2)

            for n, value in ipairs({ date, 0, 0, 0 }) do
                table.insert(list, i + n - 1, value)
            end
        end

        list[i + 1] = list[i + 1] + points
        list[i + 2] = list[i + 2] + spend
        list[i + 3] = list[i + 3] + ordered
        past.changed = true

        if past.first and date >= past.first and date <= past.last then
            past.points = past.points + points
            past.spend = past.spend + spend
            past.ordered = past.ordered + ordered
        end
    end


    -- the first and the last day that count for a tier at "at"; "ended": when
    -- a validity ended that is looked back at

    local function period(asks, at, ended)
        local date = math.floor(at / day)

        if asks.window == 'calendar' then
            local year = math.floor((ended and ended - 1 or at) / day)

            return year_start(year, 0),
                   math.max(math.floor((at - 1) / day),
                            year_start(year, 1) - 1)
        end

        return date - asks.window, date + days_kept
    end


    function past.counted(asks, at, ended)
        local first, last = period(asks, at, ended)
        local list, points, spend, ordered = all_days(), 0, 0, 0

        -- most tiers look back equally far

        if past.first == first and past.last == last then
            return past.points, past.spend, past.ordered
        end

        for i = 2, #list, 4 do
            if list[i] >= first and list[i] <= last then
                points = points + list[i + 1]
                spend = spend + list[i + 2]
                ordered = ordered + list[i + 3]
            end
        end

        past.first, past.last = first, last
        past.points, past.spend, past.ordered = points, spend, ordered

        return points, spend, ordered
    end


    -- those days on which a tier may still look back

    function past.kept()
        local list, oldest, grace, yearly = known, today, 0, false

        for _, tier in ipairs(tiers) do
            local asks = asked(tier)

            grace = math.max(grace, asks.grace or 0)

            if asks.window == 'calendar' then
                yearly = true

            else
                oldest = math.min(oldest, today - (asks.window or 0))
            end
        end

        if yearly then
            local before = math.floor((now - 1 - grace) / day) - spare

            oldest = math.min(oldest, year_start(before, 0))
        end

        -- they are in order, so mostly there is none to leave out

        if #list == 1 or list[2] >= oldest - spare then
            return list
        end

        local kept = { list[1] }

        for i = 2, #list, 4 do
            if list[i] >= oldest - spare then
                for n = i, i + 3 do
                    kept[#kept + 1] = list[n]
                end
            end
        end

        return kept
    end


    -- the points that count for a tier now, and when time changes them

    function past.toward(asks)
        local points = past.counted(asks, now)
        local first, last = period(asks, now)

        if asks.window == 'calendar' then
            return points, points ~= 0 and (last + 1) * day or 0
        end

        local list = all_days()

        for i = 2, #list, 4 do
            if list[i] >= first and list[i + 1] ~= 0 then
                return points, (list[i] + asks.window + 1) * day
            end
        end

        return points, 0
    end
end


local function count(at, points, spend, ordered)
    if windowed then
        past.count(at, points, spend, ordered)
    end

    is.qualifying = is.qualifying + points
    is.spend = is.spend + spend
end


-- the highest tier above "above" that is qualified for, or that

local function reached(above, at, ended)
    for i = #tiers, above + 1, -1 do
        local asks = asked(tiers[i])
        local points, spend, ordered = is.qualifying, is.spend,
                                       is.orders - is.nothing

        if asks.window then
            points, spend, ordered = past.counted(asks, at, ended)
        end

        local missed = asks.points and points < asks.points
                       or asks.spend and spend < asks.spend
                       or asks.orders and ordered < asks.orders
        local met = asks.points and points >= asks.points
                    or asks.spend and spend >= asks.spend
                    or asks.orders and ordered >= asks.orders

        if not missed or met and asks.match ~= 'all' then
            return i
        end
    end

    return above
end


-- The tier that was earned, and those that were granted: the ends of these by
-- name.  Without any the view has the earned one as the customer's.

local grants, earned = {}, { name = is.tier, since = is.tier_since,
                             ends = is.tier_until }

if is.granted ~= '' then
    for name, ends in string.gmatch(is.granted, '(%S+) (%d+)') do
        grants[name] = tonumber(ends)
    end
end

if is.earned ~= '' then
    local since, ends, name = string.match(is.earned, '^(%d+) (%d+) (.*)$')

    earned = { name = name, since = tonumber(since), ends = tonumber(ends) }
end


local function hold(n, at)
    local tier = tiers[n] or { name = '', words = '' }
    local valid = asked(tier).valid
    local year_start, months_later = calendar()
    local date = math.floor(at / day)

    if tier.name ~= earned.name then
        earned.name, earned.since = tier.name, at
    end

    if not valid then
        earned.ends = 0

    elseif valid == 'calendar' then
        earned.ends = year_start(date, 2) * day

    elseif type(valid) == 'number' then
        earned.ends = (math.floor((at + valid) / day) + 1) * day

    else
        local months = tonumber(string.match(valid, '^%d+'))

        earned.ends = (months_later(date, months) + 1) * day
    end
end


-- when the earned one is; 0: never

local function reassessed()
    local n = tier_at[earned.name]

    if earned.ends == 0 or not n and earned.ends <= now then
        return 0
    end

    return earned.ends + (n and asked(tiers[n]).grace or 0)
end


-- the higher of the tier that was earned and those granted is the customer's;
-- an upgrade is immediate, and nobody is demoted here

local function raise()
    local n = tier_at[earned.name] or 0
    local better = reached(n, now)

    if better > n then
        n = better
        hold(n, now)
    end

    local is_granted = 0

    for name, ends in pairs(grants) do
        if ends <= now then
            grants[name] = nil

        elseif (tier_at[name] or 0) > math.max(n, is_granted) then
            is_granted = tier_at[name]
        end
    end

    is.earned, is.granted = '', ''

    if next(grants) then
        local list = {}

        for name, ends in pairs(grants) do
            list[#list + 1] = name .. ' ' .. decimal(ends)
        end

        table.sort(list)

        is.granted = table.concat(list, ' ')
        is.earned = decimal(earned.since) .. ' ' .. decimal(earned.ends)
                    .. ' ' .. earned.name
    end

    if is_granted == 0 then
        is.tier, is.tier_since = earned.name, earned.since
        is.tier_until = earned.ends
        return
    end

    local tier = tiers[is_granted]

    if is.tier ~= tier.name then
        is.tier, is.tier_since = tier.name, now
    end

    is.tier_until = grants[tier.name]
end


-- lots: those that were read, and whether that is all of them; what is earned
-- needs no others than its own, what is taken and what is due asks for all,
-- and no event does first the one and then the other

local known_lots, known_all = {}, false


-- "left" as Redis has it; nil: it is a new one

local function lot_add(name, left)
    local activates, expires = string.match(name, '^(%d+):(%d+)$')
    local pending = left and left < 0

    activates, expires = (activates or 0) + 0, (expires or 0) + 0

    if not left then
        left, pending = 0, activates > now
    end

    local lot = { name = name, left = left < 0 and -left or left,
                  activates = activates, expires = expires,
                  pending = pending, changed = false }

    known_lots[#known_lots + 1] = lot

    return lot
end


local function all_lots()
    if known_all then
        return known_lots
    end

    local list = redis.call('ZRANGE', lots, 0, -1, 'WITHSCORES')
    local rest = is.points

    for i = 1, #list, 2 do
        local left = tonumber(list[i + 1])

        lot_add(list[i], left)
        rest = rest - math.max(left, 0)
    end

    lot_add('-', math.max(rest, 0))
    known_all = true

    return known_lots
end


local function move(lot, points)
    local side = lot.pending and 'pending' or 'points'

    lot.left = lot.left + points
    lot.changed = true
    is[side] = is[side] + points
end


local function expire(lot)
    local n = lot.left

    if n > 0 then
        move(lot, -n)
        enter('expired', -n, lot.name, '-')
    end
end


-- The events; what is refused is so before anything is changed.  They are in
-- one function for Lua's sake: what a function keeps of the text around it is
-- looked for once then, and not again by each function inside.

local function events()
    local book = {}


    local function one_lot(name)
        for _, lot in ipairs(known_lots) do
            if lot.name == name then
                return lot
            end
        end

        if known_all then
            return lot_add(name)
        end

        local left = name ~= '-' and redis.call('ZSCORE', lots, name)

        return lot_add(name, left and tonumber(left))
    end


    local function put(name, points, word, event)
        local lot = one_lot(name)

        move(lot, points)
        enter(word, points, name, event)

        if lot.expires ~= 0 and lot.expires <= now then
            expire(lot)
        end
    end


    local function fits(points)
        return is.points + is.pending + points <= max
               and is.qualifying + points <= max
    end


    local function factor(rule)
        if not find(rule.multiply, is.tier, 1, true) then
            return 1000
        end

        for name, thousandths in string.gmatch(rule.multiply, '(%S+):(%d+)') do
            if name == is.tier then
                return tonumber(thousandths)
            end
        end

        return 1000
    end


    local function may_pay(rule)
        if rule.tier ~= '' and rule.tier ~= is.tier or amount < rule.min
            or rule.what == 'streak'
               and (amount == 0 or amount % rule.per ~= 0)
        then
            return false
        end

        if rule.pace == '' then
            return true
        end

        local field, every, limit, start = unpack(words(rule.pace))
        local text = redis.call('HGET', activity, field) or ''
        local last = tonumber(string.match(text, '^%d+'))
        local times = string.match(text, ' ' .. start .. ':(%d+)')

        every, limit = tonumber(every), tonumber(limit)
        times = tonumber(times or 0)

        rule.paid = { field = field, limit = limit, start = start,
                      times = times,
                      periods = string.match(text, '^%d+(.*)$') or '' }

        return (every == 0 or not last or time - last >= every)
               and (limit == 0 or times < limit)
    end


    local function rules_for(what)
        local list = {}

        for _, rule in ipairs(rules) do
            if rule.what == what and may_pay(rule) then
                list[#list + 1] = rule
            end
        end

        return list
    end


    local function has_paid(rule)
        local it = rule.paid

        if not it then
            return
        end

        local periods, found = '', 0

        if it.limit > 0 then
            local period = ' ' .. it.start .. ':'

            periods, found = string.gsub(it.periods, period .. '%d+',
                                         period .. decimal(it.times + 1))

            if found == 0 then
                periods = periods .. period .. '1'
            end
        end

        -- no event is so old any more

        local first, rest = string.match(periods, '^ (%d+):%d+(.*)$')

        while first and tonumber(first) < today - days_kept - 366 do
            periods = rest
            first, rest = string.match(periods, '^ (%d+):%d+(.*)$')
        end

        paid[it.field] = ARGV[4] .. periods
    end


    if kind == 'login' or kind == 'visit' or kind == 'custom' then
        local function reward(what, event)
            local rewarded = false

            for _, rule in ipairs(rules_for(what)) do
                if fits(rule.points) then
                    count(time, rule.points, 0, 0)
                    put(rule.lot, rule.points, string.match(what, '^%a+'),
                        event)
                    has_paid(rule)
                    rewarded = true
                end
            end

            return rewarded
        end


        function book.login()
            if not redis.call('ZSCORE', seen, 'signup') then
                reward('signup', 'signup')
                marks.signup = '+inf'
            end

            if reward('login', id) then
                marks[id] = today * digests
            end

            return 'booked'
        end


        function book.visit()
            local owed = redis.call('HGET', activity, 'owed')

            if owed ~= ARGV[4] .. ' ' .. ARGV[6] then
                return 'duplicate'
            end

            reward('visit', id)
            reward('streak', id)
            visited = true

            return 'booked'
        end


        function book.custom()
            reward('custom:' .. order, id)

            return 'booked'
        end
    end


    local function read_order()
        local text = redis.call('HGET', orders, order)

        if not text then
            return { refunded = 0, lines = {} }
        end

        local list = words(text)
        local it = { total = tonumber(list[1]), refunded = tonumber(list[2]),
                     time = list[3], multiplier = tonumber(list[4]),
                     lines = {} }

        for i = 5, #list, 3 do
            it.lines[#it.lines + 1] = {
                per = list[i] + 0, points = list[i + 1] + 0, lot = list[i + 2],
                record = ' ' .. list[i] .. ' ' .. list[i + 1] .. ' '
                         .. list[i + 2]
            }
        end

        return it
    end


    local function write_order(it)
        if not it.total then
            record = '- ' .. decimal(it.refunded)
            return
        end

        record = decimal(it.total) .. ' ' .. decimal(it.refunded) .. ' '
                 .. it.time .. ' ' .. decimal(it.multiplier)

        for _, line in ipairs(it.lines) do
            record = record .. line.record
        end
    end


    -- what is left of an order

    local function net(it)
        return math.max(it.total - it.refunded, 0)
    end


    -- its points, of which nil: too many

    local function worth(it, line)
        local left = net(it)
        local times = line.per == 0 and math.min(left, 1)
                      or math.floor(left / line.per)

        local n = times * line.points * it.multiplier

        return n <= max and math.floor(n / 1000) or nil
    end


    local function convert()
        if not redis.call('HGET', activity, 'shown') then
            return
        end

        local held = redis.call('HGETALL', activity)

        for i = 1, #held, 2 do
            local code = string.match(held[i], '^shown:(.+)$')

            for arm, since, last, kept in string.gmatch(
                code and held[i + 1] or '', '(%a+) (%d+) (%d+) (%d+)')
            do
                if time >= since + 0 and time < last + kept then
                    conversions[#conversions + 1] = code .. ':' .. arm
                                                    .. ':conversions'
                    break
                end
            end
        end
    end


    -- promotions: what becomes of them is found out before anything is changed

    if ARGV[8] ~= '' then
        local promotions = {}
        local pattern = '(%S+) (%S+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)'

        for name, word, code, limit, date, from, to, budget, leased
            in string.gmatch(ARGV[8], pattern)
        do
            promotions[#promotions + 1] = {
                name = name, word = word, code = code, limit = tonumber(limit),
                date = tonumber(date), from = tonumber(from),
                to = tonumber(to), budget = tonumber(budget),
                leased = tonumber(leased)
            }
        end


        -- how often on these days, and the first of them on which it was

        local function used_within(it, from, to)
            local times, first = 0, math.huge

            for date, n in pairs(it.used) do
                if date >= from and date <= to and n > 0 then
                    times, first = times + n, math.min(first, date)
                end
            end

            return times, first
        end


        local function judge_limit(it)
            local text = redis.call('HGET', activity, 'used:' .. it.code) or ''

            it.used, it.times, it.window = {}, 0, it.date - it.from

            for date, times in string.gmatch(text, '(%d+):(%d+)') do
                it.used[tonumber(date)] = tonumber(times)
            end

            it.used[it.date] = it.used[it.date] or 0

            if it.window == 0 then
                it.times = used_within(it, it.date, it.to - 1)
            end

            -- a window ends with that day, or with one behind it that has some

            for last in pairs(it.window > 0 and it.used or {}) do
                if last >= it.date and last < it.to then
                    local times = used_within(it, last - it.window, last)

                    it.times = math.max(it.times, times)
                end
            end

            if it.times >= it.limit then
                it.word = 'limit'
            end
        end


        -- whether something is leased; then it is as if it was used

        local function reserve(it)
            local held = redis.call('HGET', budgets, it.code) or '0 0 0 0'
            local leased, returned, used, budget
                = string.match(held, '^(%d+) (%d+) (%d+) (%d+)$')

            -- what cannot be understood gives nothing away

            if not budget then
                it.word = 'sold_out'
                return true
            end

            leased, used = tonumber(leased), tonumber(used)
            budget = tonumber(budget)

            if it.leased > leased then
                leased, budget = it.leased, it.budget
            end

            local reserved = leased - returned > used and budget <= it.budget

            used = reserved and used + 1 or used
            it.figures = decimal(leased) .. ' ' .. returned .. ' '
                         .. decimal(used)
            it.reserved = it.figures .. ' ' .. decimal(budget)

            return reserved
        end


        local function judge(it)
            if it.word == '-' and it.limit > 0 then
                judge_limit(it)
            end

            return it.word ~= '-' or it.budget == 0 or reserve(it)
        end


        -- the one for which nothing is leased

        function promoted.judge()
            for _, it in ipairs(promotions) do
                if not judge(it) then
                    return it
                end
            end
        end


        -- how often that is for a request, and until when; 0: for ever

        local function limits_now(it)
            if it.window == 0 then
                return it.times + 1, it.date > 0 and it.to * day or 0
            end

            local times, first = used_within(it, today - it.window, math.huge)

            return times, times > 0 and (first + it.window + 1) * day or now
        end


        local function limited(it)
            local used, limits = {}, {}

            it.used[it.date] = it.used[it.date] + 1

            local times, ends = limits_now(it)

            for date, times in pairs(it.used) do
                if date == 0 or date >= today - days_kept - 366 - spare then
                    used[#used + 1] = decimal(date) .. ':' .. decimal(times)
                end
            end

            table.sort(used)
            paid['used:' .. it.code] = table.concat(used, ' ')

            if ends ~= 0 and ends <= now then
                return
            end

            if not is.limits then
                is.limits = redis.call('HGET', view, 'limits') or ''
                fields[#fields + 1], held[#held + 1] = 'limits', is.limits
            end

            for code, rest in string.gmatch(is.limits, '([^%s:]+):(%S+)') do
                local other = tonumber(string.match(rest, '%d+$'))

                if code ~= it.code and other and (other == 0 or other > now)
                then
                    limits[#limits + 1] = code .. ':' .. rest
                end
            end

            limits[#limits + 1] = it.code .. ':' .. decimal(times)
                                  .. ':' .. decimal(ends)

            -- what is not there is shown, and refused when it is redeemed

            while #limits > limits_kept do
                table.remove(limits, 1)
            end

            is.limits = table.concat(limits, ' ')
        end


        -- what was used, as who was to tell of it may not have come to that

        function promoted.tell()
            for _, it in ipairs(promotions) do
                local held = it.budget > 0
                             and redis.call('HGET', budgets, it.code)
                local used = string.match(held or '', '^(%d+ %d+ %d+) %d+$')

                if used then
                    figures[#figures + 1] = it.code .. ' ' .. used
                end
            end
        end


        function promoted.redeem()
            local list = {}

            for _, it in ipairs(promotions) do
                if it.word == '-' then
                    it.word = 'redeemed'

                    if it.limit > 0 then
                        limited(it)
                    end

                    if it.budget > 0 then
                        reserved[it.code] = it.reserved
                        figures[#figures + 1] = it.code .. ' ' .. it.figures
                    end
                end

                list[#list + 1] = it.name .. '=' .. it.word
            end

            results = table.concat(list, ' ')
        end
    end


    function book.order()
        local it = read_order()

        if it.total then
            return 'refused', 'order_booked'
        end

        local lacks = promoted.judge and promoted.judge()

        if lacks then
            figures = { lacks.code .. ' ' .. lacks.figures }

            return 'lease', lacks.code
        end

        it.total, it.time, it.multiplier = amount, ARGV[4], 1000

        for _, rule in ipairs(rules_for('order')) do
            it.lines[#it.lines + 1] = rule
            it.multiplier = math.max(it.multiplier, factor(rule))
        end

        local names, points, sum = {}, {}, 0

        for _, line in ipairs(it.lines) do
            local n = worth(it, line)

            if not n then
                return 'refused', 'too_large'
            end

            if n > 0 then
                if not points[line.lot] then
                    names[#names + 1] = line.lot
                end

                points[line.lot] = (points[line.lot] or 0) + n
                sum = sum + n
            end
        end

        if not fits(sum) or is.spend + net(it) > max then
            return 'refused', 'too_large'
        end

        for _, rule in ipairs(it.lines) do
            has_paid(rule)
        end

        count(time, sum, net(it), math.min(net(it), 1))
        is.orders = is.orders + 1
        is.last_order = math.max(is.last_order, time)

        if net(it) == 0 then
            is.nothing = is.nothing + 1
        end

        for _, name in ipairs(names) do
            put(name, points[name], 'order', id)
        end

        if net(it) > 0 then
            convert()
        end

        write_order(it)

        if promoted.redeem then
            promoted.redeem()
        end

        return 'booked'
    end


    if kind == 'refund' or kind == 'spend' or kind == 'adjust' then

        -- takes points from those lots that "wanted" says, soonest expiry
        -- first; returns how many are missing

        local function take(points, word, wanted)
            local list = {}

            for _, lot in ipairs(all_lots()) do
                if wanted(lot) then
                    list[#list + 1] = lot
                end
            end

            table.sort(list, function(one, two)
                if one.expires ~= two.expires then
                    return two.expires == 0
                           or one.expires ~= 0 and one.expires < two.expires
                end

                return one.activates < two.activates
            end)

            for _, lot in ipairs(list) do
                local n = math.min(points, lot.left)

                if n > 0 then
                    points = points - n
                    move(lot, -n)
                    enter(word, -n, lot.name, id)
                end
            end

            return points
        end


        local function active(lot)
            return not lot.pending
        end


        local function worth_all(it)
            local sum = 0

            for _, line in ipairs(it.lines) do
                sum = sum + worth(it, line)
            end

            return sum
        end


        function book.refund()
            local it = read_order()

            if it.refunded + amount > max then
                return 'refused', 'too_large'
            end

            if not it.total then
                it.refunded = it.refunded + amount
                write_order(it)
                return 'kept'
            end

            local reverse, spent = worth_all(it), net(it)

            it.refunded = it.refunded + amount
            reverse = reverse - worth_all(it)

            count(tonumber(it.time), -reverse, net(it) - spent,
                  math.min(net(it), 1) - math.min(spent, 1))

            if spent > 0 and net(it) == 0 then
                is.nothing = is.nothing + 1
            end

            local own = {}

            for _, line in ipairs(it.lines) do
                own[line.lot] = true
            end

            local missing = take(reverse, 'reversed', function(lot)
                return own[lot.name] and lot.pending
            end)

            missing = take(missing, 'reversed', function(lot)
                return own[lot.name] and not lot.pending
            end)

            missing = take(missing, 'reversed', active)

            if missing > 0 then
                enter('shortfall:' .. decimal(missing), 0, '-', id)
            end

            write_order(it)

            return 'booked'
        end


        function book.spend()
            if amount > is.points then
                return 'refused', 'too_few_points'
            end

            take(amount, 'spent', active)

            return 'booked'
        end


        function book.adjust()
            if -amount > is.points then
                return 'refused', 'too_few_points'
            end

            if not fits(amount) then
                return 'refused', 'too_large'
            end

            if amount > 0 then
                put('-', amount, 'adjusted', id)

            else
                take(-amount, 'adjusted', active)
            end

            if option == 'qualifying' then
                count(time, amount, 0, 0)
            end

            return 'booked'
        end
    end


    function book.grant()
        if not tier_at[order] then
            return 'refused', 'unknown_tier'
        end

        grants[order] = math.max(grants[order] or 0, amount)

        return 'booked'
    end

    return book
end


-- what is due: activations and expiries by their dates

if is.next_due ~= 0 and is.next_due <= now then
    local due = {}

    for _, lot in ipairs(all_lots()) do
        if lot.pending and lot.activates <= now then
            due[#due + 1] = { at = lot.activates, lot = lot }
        end

        if lot.expires ~= 0 and lot.expires <= now then
            due[#due + 1] = { at = lot.expires, ends = true, lot = lot }
        end
    end

    table.sort(due, function(one, two)
        if one.at ~= two.at then
            return one.at < two.at
        end

        if one.ends ~= two.ends then
            return not one.ends
        end

        return one.lot.name < two.lot.name
    end)

    for _, this in ipairs(due) do
        local lot = this.lot
        local n = lot.left

        if this.ends then
            expire(lot)

        else
            move(lot, -n)
            lot.pending = false
            move(lot, n)
            enter('released:' .. decimal(n), 0, lot.name, '-')
        end
    end
end


-- validities that have ended, one after the other

local n, ends = tier_at[earned.name], reassessed()

while n and ends ~= 0 and ends <= now do
    local policy = asked(tiers[n]).downgrade
    local to = reached(0, ends, earned.ends)

    if to < n and policy then
        to = policy == 'one' and n - 1 or n
    end

    hold(to, ends)
    n, ends = tier_at[earned.name], reassessed()
end


-- the event

raise()

local due_before = is.next_due
local status, reason = 'booked'

if kind ~= 'settle' then
    local book = events()
    local marked = (redis.call('ZSCORE', seen, id) or 0) + 0

    if math.floor(marked / digests) >= today - days_kept then
        if marked % digests == digest then
            status = 'duplicate'

            if ARGV[8] ~= '' then
                told = redis.call('HGET', orders, order .. ' promotions')
                promoted.tell()
            end

        else
            status, reason = 'refused', 'id_reused'
        end

    elseif not book[kind] then
        status, reason = 'refused', 'type_unknown'

    elseif time < now - days_kept * day then
        status, reason = 'refused', 'too_old'

    elseif time > now + ahead then
        status, reason = 'refused', 'in_future'

    elseif not amount then
        status, reason = 'refused', 'too_large'

    else
        status, reason = book[kind]()

        if status ~= 'refused' and status ~= 'lease' then
            raise()

            if kind ~= 'login' and kind ~= 'visit' then
                marks[id] = today * digests + digest
            end
        end
    end
end


-- what is written

if kind == 'settle' and not exists then
    redis.call('ZREM', queue, string.match(view, '}:([^}]*)$'))

elseif exists or status == 'booked' or status == 'kept' then
    for i = 1, #entries, 1000 do
        redis.call('RPUSH', ledger,
                   unpack(entries, i, math.min(i + 999, #entries)))
    end

    -- what was due first may be so no more: then it is found out at that time

    local due = known_all and 0 or is.next_due

    local function also(at)
        if at ~= 0 and (due == 0 or at < due) then
            due = at
        end
    end

    for _, lot in ipairs(known_lots) do
        if lot.left > 0 then
            also(lot.pending and lot.activates or lot.expires)
        end

        if lot.changed and lot.name ~= '-' then
            if lot.left == 0 then
                redis.call('ZREM', lots, lot.name)

            else
                redis.call('ZADD', lots, (lot.pending and '-' or '')
                                         .. decimal(lot.left), lot.name)
            end
        end
    end

    also(reassessed())

    for _, ends in pairs(grants) do
        also(ends)
    end

    -- the points that count for the next tier, where these are not all that
    -- were earned, and when time changes them

    local asks = asked(tiers[(tier_at[is.tier] or 0) + 1] or { words = '' })
    local changes_at = 0

    is.toward = 0

    if asks.window and asks.points then
        is.toward, changes_at = past.toward(asks)
    end

    also(changes_at)

    is.next_due = due

    if past.changed then
        redis.call('SET', days, cmsgpack.pack(past.kept()))
    end

    if record then
        redis.call('HSET', orders, order, record)
    end

    for code, value in pairs(reserved) do
        redis.call('HSET', budgets, code, value)
    end

    if results ~= '' then
        redis.call('HSET', orders, order .. ' promotions', results)
    end

    if next(marks) then

        -- what is too old counts for nothing, so it may stay for some events

        if digest % 16 == 0 then
            redis.call('ZREMRANGEBYSCORE', seen, '-inf', '('
                       .. decimal((today - days_kept - spare) * digests))
        end

        for event, score in pairs(marks) do
            redis.call('ZADD', seen, score, event)
        end
    end

    -- a figure that is none must not stop the order half-way

    for _, field in ipairs(conversions) do
        redis.pcall('HINCRBY', shown, field, 1)
    end

    for field, value in pairs(paid) do
        redis.call('HSET', activity, field, value)
    end

    if visited then
        redis.call('HDEL', activity, 'owed')
    end

    if is.created == 0 and kind ~= 'settle' then
        is.created = now
    end

    local changes, n = {}, 0

    for i = 1, #fields do
        local value = is[fields[i]]

        if value ~= held[i] then
            changes[n + 1], changes[n + 2] = fields[i], value
            n = n + 2
        end
    end

    if n > 0 then
        redis.call('HSET', view, unpack(changes))
    end

    if kind == 'settle' or due ~= due_before then
        local customer = string.match(view, '}:([^}]*)$')

        if due == 0 then
            redis.call('ZREM', queue, customer)

        else
            redis.call('ZADD', queue, decimal(due), customer)
        end
    end
end

return { status, reason or '', is.points, is.pending, is.tier,
         is.tier_since, is.tier_until, is.toward, is.next_due,
         told or results, table.concat(figures, ' ') }
