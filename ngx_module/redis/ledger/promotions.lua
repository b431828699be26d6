-- Promotions that an order names: what becomes of them is found out before
-- anything is changed.
--
-- reads    nothing
-- sets     promoted.judge, promoted.tell, promoted.redeem
-- changes  results, figures, is, fields, held
--
-- ARGV has nine words of each: its name, "-" or what has become of it already
-- ("unknown", "foreign", "sold_out"), the code; how often a customer may
-- redeem it, 0 any number, the day for which it counts, and from which day on,
-- and up to which, all that did so are looked at; its budget, 0 none, and how
-- much of it was leased to the partition in all, as far as that is known, else
-- 0.  The days are those of all windows that roll over that day, of which none
-- may have too many; or a period of the calendar with its first day, or 0, 0
-- and 1 for ever, when all days count, as it may have been another period
-- before.
--
-- "used:CODE" of "activity" holds how often it was, "DAY:TIMES ..."; "limits"
-- of the view has it for requests, "CODE:TIMES:UNTIL ...".  What became of
-- them is kept with the order.  redis/recall.lua tells of the budgets of a
-- partition; what was leased by a larger budget is not used.

if ARGV[8] ~= '' then
    local promotions = {}

    promoted, figures = {}, {}

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
            it.times = used_within(it, it.date,
                                   it.date > 0 and it.to - 1 or math.huge)
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
        local text = redis.call('HGET', budgets, it.code) or '0 0 0 0'
        local leased, returned, used, budget
            = string.match(text, '^(%d+) (%d+) (%d+) (%d+)$')

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
            if it.date == 0 or date == 0
                or date >= today - days_back - 366 - spare
            then
                used[#used + 1] = decimal(date) .. ':' .. decimal(times)
            end
        end

        table.sort(used)
        writes[#writes + 1] = { 'HSET', activity, 'used:' .. it.code,
                                table.concat(used, ' ') }

        if ends ~= 0 and ends <= now then
            return
        end

        if not is.limits then
            local at = #fields + 1

            held[at] = redis.call('HGET', view, 'limits') or ''
            fields[at], is.limits = 'limits', held[at]
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
            local text = it.budget > 0
                         and redis.call('HGET', budgets, it.code)
            local used = string.match(text or '', '^(%d+ %d+ %d+) %d+$')

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
                    writes[#writes + 1] = { 'HSET', budgets, it.code,
                                            it.reserved }
                    figures[#figures + 1] = it.code .. ' ' .. it.figures
                end
            end

            list[#list + 1] = it.name .. '=' .. it.word
        end

        results = table.concat(list, ' ')

        if results ~= '' then
            writes[#writes + 1] = { 'HSET', orders, order .. ' promotions',
                                    results }
        end
    end
end
