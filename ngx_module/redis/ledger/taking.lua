-- The events that take points: refund, spend, and adjust, which also gives.
--
-- reads    all_lots, move, enter, put, fits, count, read_order, write_order,
--          net, worth
-- sets     book.refund, book.spend, book.adjust
-- changes  is

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

        is.refunds = is.refunds + 1

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

        if not fits(amount)
            or option == 'qualifying' and is.qualifying + amount < -max
        then
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
