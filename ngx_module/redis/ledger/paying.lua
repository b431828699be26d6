-- How points are paid, and which rules pay for this event.
--
-- reads    rules, known_lots, known_all, lot_add, move, expire, enter
-- sets     put, fits, rules_for, has_paid
-- changes  is
--
-- The pace of a rule is "FIELD EVERY LIMIT START": it pays again after so many
-- seconds, and so often in the period that begins with that day.  The field of
-- "activity" holds what it has paid, "LAST START:TIMES ...": when it did so
-- last, and how often in each period.

local function put(name, points, word, event)
    local lot

    for _, it in ipairs(known_lots) do
        if it.name == name then
            lot = it
        end
    end

    if not lot then
        local left = not known_all and name ~= '-'
                     and redis.call('ZSCORE', lots, name)

        lot = lot_add(name, left and tonumber(left))
    end

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

    local field, every, limit, start
        = string.match(rule.pace, '^(%S+) (%d+) (%d+) (%d+)$')
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

    while first and tonumber(first) < today - days_back - 366 do
        periods = rest
        first, rest = string.match(periods, '^ (%d+):%d+(.*)$')
    end

    writes[#writes + 1] = { 'HSET', activity, it.field,
                            ARGV[4] .. periods }
end
