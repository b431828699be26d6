-- An order comes.
--
-- reads    rules_for, factor, has_paid, fits, put, count, read_order,
--          write_order, net, worth, convert, promoted
-- sets     book.order
-- changes  is, figures

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

    -- it is not known of who has ordered before it was noted

    if is.orders == 0 then
        is.first_order = time

    elseif is.first_order ~= 0 then
        is.first_order = math.min(is.first_order, time)
    end

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
