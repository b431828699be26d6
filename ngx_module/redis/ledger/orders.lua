-- An order: what is kept of it, and what it is worth.
--
-- reads    nothing
-- sets     read_order, write_order, net, worth
-- changes  nothing
--
-- It is kept as "TOTAL REFUNDED TIME MULTIPLIER", then "PER POINTS LOT" of
-- each rule that paid; TOTAL is "-" where only refunds have come.  Its points
-- are always worked out anew of what is left, so nothing drifts.

local function read_order()
    local text = redis.call('HGET', orders, order)

    if not text then
        return { refunded = 0, lines = {} }
    end

    local list = {}

    for word in string.gmatch(text, '%S+') do
        list[#list + 1] = word
    end

    local it = { total = tonumber(list[1]), refunded = tonumber(list[2]),
                 time = list[3], multiplier = tonumber(list[4]),
                 lines = {} }

    for i = 5, #list, 3 do
        it.lines[#it.lines + 1] = {
            per = list[i] + 0, points = list[i + 1] + 0, lot = list[i + 2],
            text = ' ' .. list[i] .. ' ' .. list[i + 1] .. ' '
                   .. list[i + 2]
        }
    end

    return it
end


local function write_order(it)
    local record = (it.total and decimal(it.total) or '-') .. ' '
                   .. decimal(it.refunded)

    if it.total then
        record = record .. ' ' .. it.time .. ' ' .. decimal(it.multiplier)
    end

    for _, line in ipairs(it.lines) do
        record = record .. line.text
    end

    writes[#writes + 1] = { 'HSET', orders, order, record }
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
