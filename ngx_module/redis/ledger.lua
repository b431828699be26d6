-- An event of a customer is booked.
--
-- KEYS[1]  shop:view:{NN}:ID
-- KEYS[2]  shop:ledger:{NN}:ID
-- KEYS[3]  shop:seen:{NN}:ID
-- KEYS[4]  shop:lots:{NN}:ID
-- KEYS[5]  shop:orders:{NN}:ID
-- KEYS[6]  shop:activity:{NN}:ID
-- ARGV     now, kind, id of the event, its time, order, amount, option,
--          number of tiers; then the tiers, lowest first: name, qualifying
--          points (-1: none are needed); then the earning rules for such
--          events: what, points, "per" (of a streak: days), "min", pace,
--          tier, multipliers ("TIER:THOUSANDTHS ..."), lot; 0 or "" is none
--
-- Kinds: "settle", which does what is due and nothing else; "login"; "visit",
-- whose amount is how many days in a row there were visits, if it is the first
-- one of its day; "custom", with its name for an order and an amount of money;
-- "order" and "refund" of an amount of money; "spend" and "adjust" of an
-- amount of points, where the option "qualifying" makes them count towards
-- tiers.
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
-- The pace of a rule is "FIELD EVERY LIMIT START": it pays again after so many
-- seconds, and so often in the period that begins with that day.  The field of
-- "activity" holds what it has paid, "LAST START:TIMES ...": when it did so
-- last, and how often in each period.
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
-- Returns what became of it ("booked", "duplicate", "kept", "refused"), the
-- reason, and then points, pending points and tier.

local view, ledger, seen, lots, orders, activity = unpack(KEYS)
local now, kind, id = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local time, order, option = tonumber(ARGV[4]), ARGV[5], ARGV[7]
local amount

local max = 9007199254740991
local day, days_kept, ahead = 86400, 400, 300
local today = math.floor(now / day)

local digests = 2 ^ 36
local digest = 0

if kind ~= 'login' and kind ~= 'visit' then
    local content = table.concat({ kind, ARGV[4], ARGV[6], option, order },
                                 ' ')

    digest = tonumber(string.sub(redis.sha1hex(content), 1, 9), 16)
end


local function integer(text)
    local n = string.match(text, '^%-?%d+$') and tonumber(text)

    return n and n <= max and n >= -max and n or nil
end

amount = integer(ARGV[6])


-- "%d" takes half the time, and has 32 bits on any machine

local function decimal(n)
    local small = n < 2147483648 and n > -2147483648

    return string.format(small and '%d' or '%.0f', n)
end


local function words(text)
    local list = {}

    for word in string.gmatch(text, '%S+') do
        list[#list + 1] = word
    end

    return list
end


-- the customer, as held and as it will be

local fields = { 'points', 'pending', 'qualifying', 'orders', 'spend',
                 'last_order', 'next_due', 'tier', 'tier_since', 'created' }
local held = redis.call('HMGET', view, unpack(fields))
local is = {}

for i, field in ipairs(fields) do
    if field == 'tier' then
        is[field] = held[i] or ''

    else
        is[field] = integer(held[i] or '0')

        if not is[field] then
            return redis.error_reply('ERR the view holds no integer')
        end
    end

    held[i] = is[field]
end

local entries, marks = {}, {}
local paid, record, visited = {}


local function enter(word, points, lot, event)
    entries[#entries + 1] = table.concat({ ARGV[1], word, decimal(points), lot,
                                           decimal(is.points), event }, ' ')
end


-- tiers and rules

local tiers, rules = {}, {}
local at = 9

for i = 1, tonumber(ARGV[8]) do
    tiers[i] = { name = ARGV[at], points = tonumber(ARGV[at + 1]) }
    at = at + 2
end

while at <= #ARGV do
    rules[#rules + 1] = {
        what = ARGV[at], points = tonumber(ARGV[at + 1]),
        per = tonumber(ARGV[at + 2]), min = tonumber(ARGV[at + 3]),
        pace = ARGV[at + 4], tier = ARGV[at + 5],
        multiply = ARGV[at + 6], lot = ARGV[at + 7]
    }
    at = at + 8
end


-- the higher of the tier held and the one reached; nobody is demoted here

local function raise()
    local holds, reached = 0, 0

    for i, tier in ipairs(tiers) do
        if tier.name == is.tier then
            holds = i
        end

        if tier.points == -1 or is.qualifying >= tier.points then
            reached = i
        end
    end

    if reached > holds then
        is.tier = tiers[reached].name
        is.tier_since = now
    end
end


local function factor(rule)
    for name, thousandths in string.gmatch(rule.multiply, '(%S+):(%d+)') do
        if name == is.tier then
            return tonumber(thousandths)
        end
    end

    return 1000
end


-- lots: those that were read, and whether that is all of them; what is earned
-- needs no others than its own, what is taken and what is due asks for all,
-- and no event does first the one and then the other

local known_lots, known_all = {}, false


-- "left" as Redis has it; nil: it is a new one

local function lot_add(name, left)
    local activates, expires = string.match(name, '^(%d+):(%d+)$')
    local lot = { name = name, left = math.abs(left or 0),
                  activates = tonumber(activates or 0),
                  expires = tonumber(expires or 0) }

    if left then
        lot.pending = left < 0

    else
        lot.pending = lot.activates > now
    end

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


local function sooner(one, two)
    if one.expires ~= two.expires then
        return two.expires == 0
               or one.expires ~= 0 and one.expires < two.expires
    end

    return one.activates < two.activates
end


-- those that "wanted" says, soonest expiry first

local function some_lots(wanted)
    local list = {}

    for _, lot in ipairs(all_lots()) do
        if wanted(lot) then
            list[#list + 1] = lot
        end
    end

    table.sort(list, sooner)

    return list
end


local function active(lot)
    return not lot.pending
end


local function move(lot, points)
    local side = lot.pending and 'pending' or 'points'

    lot.left = lot.left + points
    lot.changed = true
    is[side] = is[side] + points
end


-- takes points from lots in turn; returns how many are missing

local function take(list, points, word)
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


local function expire(lot)
    local n = lot.left

    if n > 0 then
        move(lot, -n)
        enter('expired', -n, lot.name, '-')
    end
end


local function put(name, points, word, event)
    local lot = one_lot(name)

    move(lot, points)
    enter(word, points, name, event)

    if lot.expires ~= 0 and lot.expires <= now then
        expire(lot)
    end
end


-- activations and expiries by their dates

local function settle()
    local due = {}

    if is.next_due == 0 or is.next_due > now then
        return
    end

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


local function next_due()
    local due = known_all and 0 or is.next_due

    for _, lot in ipairs(known_lots) do
        local at = lot.pending and lot.activates or lot.expires

        if lot.left > 0 and at ~= 0 and (due == 0 or at < due) then
            due = at
        end
    end

    return due
end


-- what is written

local function mark(event)
    marks[event] = event == 'signup' and '+inf'
                   or decimal(today * digests + digest)
end


local function write()
    for i = 1, #entries, 1000 do
        redis.call('RPUSH', ledger,
                   unpack(entries, i, math.min(i + 999, #entries)))
    end

    for _, lot in ipairs(known_lots) do
        if lot.changed and lot.name ~= '-' then
            if lot.left == 0 then
                redis.call('ZREM', lots, lot.name)

            else
                redis.call('ZADD', lots, (lot.pending and '-' or '')
                                         .. decimal(lot.left), lot.name)
            end
        end
    end

    is.next_due = next_due()

    if record then
        redis.call('HSET', orders, order, record)
    end

    if next(marks) then

        -- what is too old counts for nothing, so it may stay for some events

        if digest % 16 == 0 then
            redis.call('ZREMRANGEBYSCORE', seen, '-inf', '('
                       .. decimal((today - days_kept) * digests))
        end

        for event, score in pairs(marks) do
            redis.call('ZADD', seen, score, event)
        end
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

    local changes = {}

    for i, field in ipairs(fields) do
        local value = is[field]

        if value ~= held[i] then
            changes[#changes + 1] = field
            changes[#changes + 1] = field == 'tier' and value
                                    or decimal(value)
        end
    end

    if #changes > 0 then
        redis.call('HSET', view, unpack(changes))
    end
end


local function fits(points)
    return is.points + is.pending + points <= max
           and is.qualifying + points <= max
end


-- the events; what is refused is so before anything is changed

local book = {}


local function may_pay(rule)
    if rule.tier ~= '' and rule.tier ~= is.tier or amount < rule.min
        or rule.what == 'streak' and (amount == 0 or amount % rule.per ~= 0)
    then
        return false
    end

    if rule.pace == '' then
        return true
    end

    local field, every, limit, start = unpack(words(rule.pace))
    local text = redis.call('HGET', activity, field) or ''
    local last = tonumber(string.match(text, '^%d+'))
    local times = tonumber(string.match(text, ' ' .. start .. ':(%d+)') or 0)

    every, limit = tonumber(every), tonumber(limit)

    rule.paid = { field = field, limit = limit, start = start, times = times,
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


local function reward(what, event)
    local rewarded = false

    for _, rule in ipairs(rules_for(what)) do
        if fits(rule.points) then
            is.qualifying = is.qualifying + rule.points
            put(rule.lot, rule.points, string.match(what, '^%a+'), event)
            has_paid(rule)
            rewarded = true
        end
    end

    return rewarded
end


function book.login()
    if not redis.call('ZSCORE', seen, 'signup') then
        reward('signup', 'signup')
        mark('signup')
    end

    if reward('login', id) then
        mark(id)
    end

    return 'booked'
end


function book.visit()
    if redis.call('HGET', activity, 'owed') ~= ARGV[4] .. ' ' .. ARGV[6] then
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


local function read_order()
    local list = words(redis.call('HGET', orders, order) or '- 0')
    local it = { total = tonumber(list[1]), refunded = tonumber(list[2]),
                 time = list[3], multiplier = tonumber(list[4]), lines = {} }

    for i = 5, #list, 3 do
        it.lines[#it.lines + 1] = { per = tonumber(list[i]),
                                    points = tonumber(list[i + 1]),
                                    lot = list[i + 2] }
    end

    return it
end


local function write_order(it)
    if not it.total then
        record = '- ' .. decimal(it.refunded)
        return
    end

    local list = { decimal(it.total), decimal(it.refunded), it.time,
                   decimal(it.multiplier) }

    for _, line in ipairs(it.lines) do
        list[#list + 1] = decimal(line.per)
        list[#list + 1] = decimal(line.points)
        list[#list + 1] = line.lot
    end

    record = table.concat(list, ' ')
end


-- what is left of an order

local function net(it)
    return math.max(it.total - it.refunded, 0)
end


-- its points, of which nil: too many

local function worth(it, line)
    local times = math.min(net(it), 1)

    if line.per ~= 0 then
        times = math.floor(net(it) / line.per)
    end

    local n = times * line.points * it.multiplier

    return n <= max and math.floor(n / 1000) or nil
end


local function worth_all(it)
    local sum = 0

    for _, line in ipairs(it.lines) do
        sum = sum + worth(it, line)
    end

    return sum
end


function book.order()
    local it = read_order()

    if it.total then
        return 'refused', 'order_booked'
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

    is.orders = is.orders + 1
    is.spend = is.spend + net(it)
    is.last_order = math.max(is.last_order, time)
    is.qualifying = is.qualifying + sum

    for _, name in ipairs(names) do
        put(name, points[name], 'order', id)
    end

    write_order(it)

    return 'booked'
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

    is.spend = is.spend - spent + net(it)
    is.qualifying = is.qualifying - reverse

    local own = {}

    for _, line in ipairs(it.lines) do
        own[line.lot] = true
    end

    local missing = take(some_lots(function(lot)
        return own[lot.name] and lot.pending
    end), reverse, 'reversed')

    missing = take(some_lots(function(lot)
        return own[lot.name] and not lot.pending
    end), missing, 'reversed')

    missing = take(some_lots(active), missing, 'reversed')

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

    take(some_lots(active), amount, 'spent')

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
        take(some_lots(active), -amount, 'adjusted')
    end

    if option == 'qualifying' then
        is.qualifying = is.qualifying + amount
    end

    return 'booked'
end


local function run()
    if kind == 'settle' then
        return 'booked'
    end

    local marked = tonumber(redis.call('ZSCORE', seen, id) or 0)

    if math.floor(marked / digests) >= today - days_kept then
        if marked % digests == digest then
            return 'duplicate'
        end

        return 'refused', 'id_reused'
    end

    if not book[kind] then
        return 'refused', 'type_unknown'
    end

    if time < now - days_kept * day then
        return 'refused', 'too_old'
    end

    if time > now + ahead then
        return 'refused', 'in_future'
    end

    if not amount then
        return 'refused', 'too_large'
    end

    local status, reason = book[kind]()

    if status ~= 'refused' then
        raise()

        if kind ~= 'login' and kind ~= 'visit' then
            mark(id)
        end
    end

    return status, reason
end


settle()
raise()

local status, reason = run()

if held[#fields] ~= 0 or status == 'booked' or status == 'kept' then
    write()
end

return { status, reason or '', is.points, is.pending, is.tier }
