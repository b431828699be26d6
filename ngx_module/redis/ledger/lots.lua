-- Lots of points: those that were read, and whether that is all of them.
--
-- reads    enter
-- sets     known_lots, known_all; lot_add, all_lots, move, expire
-- changes  is
--
-- Points are active, or pending until their lot activates.  A lot is named by
-- its two dates, ACTIVATES:EXPIRES, so what has the same dates is one lot.
-- Points without dates lie in none: they are what the view has more than the
-- active lots, and "-" is their name.
--
-- What is earned needs no others than its own, what is taken and what is due
-- asks for all, and no event does first the one and then the other.

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
