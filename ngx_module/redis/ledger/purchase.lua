-- An order comes.
--
-- reads    rules_for, has_paid, fits, put, count, read_order, write_order,
--          net, worth, promoted
-- sets     book.order
-- changes  is, figures

-- an order is a conversion of each promotion that the customer was shown, or
-- that was held back, so shortly before: see activity.lua

local function convert()
    local list = redis.call('HGETALL', activity)

    for i = 1, #list, 2 do
        local code = string.match(list[i], '^shown:(.+)$')

        for arm, since, last, kept in string.gmatch(
            code and list[i + 1] or '', '(%a+) (%d+) (%d+) (%d+)')
        do
            if time >= since + 0 and time < last + kept then
                writes[#writes + 1] = { 'HINCRBY', shown, code .. ':'
                                        .. arm .. ':conversions', 1 }
                break
            end
        end
    end
end


function book.order()
    local it = read_order()

    if it.total then
        return 'refused', 'order_booked'
    end

    local lacks = promoted and promoted.judge()

    if lacks then
        figures = { lacks.code .. ' ' .. lacks.figures }

        return 'lease', lacks.code
    end

    it.total, it.time, it.multiplier = amount, ARGV[4], 1000
    it.lines = rules_for('order')

    for _, rule in ipairs(it.lines) do
        if string.find(rule.multiply, is.tier, 1, true) then
            for name, thousandths in string.gmatch(rule.multiply,
                                                   '(%S+):(%d+)')
            do
                if name == is.tier then
                    it.multiplier = math.max(it.multiplier,
                                             tonumber(thousandths))
                end
            end
        end
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

    local left = net(it)

    if not fits(sum) or is.spend + left > max then
        return 'refused', 'too_large'
    end

    for _, rule in ipairs(it.lines) do
        has_paid(rule)
    end

    count(time, sum, left, math.min(left, 1))

    -- it is not known of who has ordered before it was noted

    if is.orders == 0 then
        is.first_order = time

    elseif is.first_order ~= 0 then
        is.first_order = math.min(is.first_order, time)
    end

    is.orders = is.orders + 1
    is.last_order = math.max(is.last_order, time)

    if left == 0 then
        is.nothing = is.nothing + 1
    end

    for _, name in ipairs(names) do
        put(name, points[name], 'order', id)
    end

    if left > 0 and redis.call('HGET', activity, 'shown') then
        convert()
    end

    write_order(it)

    if promoted then
        promoted.redeem()
    end

    return 'booked'
end
