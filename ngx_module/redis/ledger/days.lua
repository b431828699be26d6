-- What counts towards tiers, and when it did.
--
-- reads    windowed, yearly, tiers, asked, calendar
-- sets     past; count
-- changes  is
--
-- By day: the number of a day, points, spend and orders, and so on; "since",
-- in front, is the day on which all that was counted before is taken together.
-- It is kept where a tier looks back a part of it, and goes on where one did,
-- as nobody knows whether that comes again.

local past = {}

local function look_back()
    local known, packed, packed_numbers, changed_at
    local year_start = yearly and calendar()
    local this_year = yearly and year_start(today, 0)

    local function all_days()
        if known then
            return known
        end

        packed = redis.call('GET', days)

        if packed then
            known = cmsgpack.unpack(packed)
            packed_numbers = #known

        elseif is.qualifying == 0 and is.orders == 0 then
            known = { 0 }

        else
            known = { today, today, is.qualifying, is.spend,
                      is.orders - is.nothing }
            past.changed = true
        end

        return known
    end


    -- all that an event counts is of one day

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
        past.changed, changed_at = true, i

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


    -- those days on which a tier may still look back; another program may do
    -- so further

    local function kept(frozen)
        local list, oldest, grace = known, today, 0

        if not windowed or frozen then
            return list
        end

        for _, tier in ipairs(tiers) do
            local asks = asked(tier)

            grace = math.max(grace, asks.grace or 0)

            if asks.window ~= 'calendar' then
                oldest = math.min(oldest, today - (asks.window or 0))
            end
        end

        if yearly then
            local back = math.max(math.ceil((grace + 1) / day), days_back)

            oldest = math.min(oldest, year_start(today - back - spare, 0))
        end

        -- they are in order, so mostly there is none to leave out

        if #list == 1 or list[2] >= oldest - spare then
            return list
        end

        local left = { list[1] }

        for i = 2, #list, 4 do
            if list[i] >= oldest - spare then
                for n = i, i + 3 do
                    left[#left + 1] = list[n]
                end
            end
        end

        return left
    end


    -- As one array in MessagePack, which begins with its length, in one byte
    -- or in three.  Only the day that has changed is packed, between those
    -- that are packed already: all of them would take long.

    function past.packed(frozen)
        local list, i = kept(frozen), changed_at
        local n, byte = #list, string.byte(packed or '')

        if list ~= known or not packed or n > 4000 or byte > 220 then
            return cmsgpack.pack(list)
        end

        local first = byte < 220 and 1 or 3
        local front = cmsgpack.unpack_limit(packed, i - 1, first)
        local back = front

        if n == packed_numbers then
            back = cmsgpack.unpack_limit(packed, 4, front)
        end

        -- -1: that is the end of the text

        return (n < 16 and struct.pack('B', 144 + n)
                or struct.pack('>BH', 220, n))
               .. string.sub(packed, first + 1, front)
               .. cmsgpack.pack(list[i], list[i + 1], list[i + 2],
                                list[i + 3])
               .. (back >= 0 and string.sub(packed, back + 1) or '')
    end


    function past.is_year_over(at)
        return math.floor(at / day) < this_year
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


if windowed then
    look_back()
end


local function count(at, points, spend, ordered)
    if not past.count and redis.call('GET', days) then
        look_back()
    end

    if past.count then
        past.count(at, points, spend, ordered)
    end

    is.qualifying = is.qualifying + points
    is.spend = is.spend + spend
end
