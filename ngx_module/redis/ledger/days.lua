-- What counts towards tiers, and when it did.
--
-- reads    windowed, yearly, looks_back, calendar
-- sets     past; count
-- changes  is
--
-- "since", in front, is the day on which all that was counted before is taken
-- together; then come records of a day each, in order: the number of the day,
-- points, spend and orders.  All are of one length, so that one is found, and
-- changed, without the others.  It is kept where a tier looks back a part of
-- the time, and goes on where one did, as nobody knows whether that comes
-- again.

-- a table that is made with all of its fields need not grow

local past = { count = false, counted = false, write = false, toward = false,
               changed = false, first = false, last = false, points = 0,
               spend = 0, ordered = 0 }

local function look_back()
    local text, since
    local record, at_record, is_in, rewritten
    local form, size = '>Hddi4', 22
    local record_at, day_at = struct.unpack, string.byte
    local year_start = yearly and calendar()


    -- where the first record of a day, or of a later one, begins

    local function place(date)
        local low, high = 0, (#text - 2) / size

        while low < high do
            local middle = math.floor((low + high) / 2)
            local large, small = day_at(text, middle * size + 3,
                                        middle * size + 4)

            if large * 256 + small < date then
                low = middle + 1

            else
                high = middle
            end
        end

        return low * size + 3
    end


    -- the record that is there instead of one of the text goes into it

    local function put_in()
        if record and not is_in then
            text = string.sub(text, 1, at_record - 1) .. record
                   .. string.sub(text, at_record + size)
            is_in = true
        end
    end


    -- mostly the record of one day changes, and the text need not be made anew

    local function add(date, points, spend, ordered)
        put_in()

        local at = place(date)
        local instead = false

        if at < #text then
            local its, more_points, more_spend, more_ordered
                = record_at(form, text, at)

            if its == date then
                points, spend = points + more_points, spend + more_spend
                ordered = ordered + more_ordered
                instead = true
            end
        end

        local new = struct.pack(form, date, points, spend, ordered)

        if instead and not past.changed then
            record, at_record = new, at

        else
            text = string.sub(text, 1, at - 1) .. new
                   .. string.sub(text, instead and at + size or at)
            rewritten = true
        end

        past.changed = true
    end


    local function read()
        text = redis.call('GET', days)

        if text then
            since = struct.unpack('>H', text)

        elseif is.qualifying ~= 0 or is.orders ~= 0 then
            text, since = struct.pack('>H', today), today
            add(today, is.qualifying, is.spend, is.orders - is.nothing)

        else
            text, since = struct.pack('>H', 0), 0
        end
    end


    -- all that an event counts is of one day

    function past.count(at, points, spend, ordered)
        if not text then
            read()
        end

        local date = math.max(math.floor(at / day), since)

        add(date, points, spend, ordered)

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
        local points, spend, ordered = 0, 0, 0

        -- most tiers look back equally far

        if past.first == first and past.last == last then
            return past.points, past.spend, past.ordered
        end

        if not text then
            read()
        end

        put_in()

        for i = place(first), #text, size do
            local date, its_points, its_spend, its_ordered
                = record_at(form, text, i)

            if date > last then
                break
            end

            points, spend = points + its_points, spend + its_spend
            ordered = ordered + its_ordered
        end

        past.first, past.last = first, last
        past.points, past.spend, past.ordered = points, spend, ordered

        return points, spend, ordered
    end


    -- of what no tier looks back at another program may look back at some

    function past.write(frozen)
        local oldest = today - looks_back - spare

        if windowed and not frozen and struct.unpack('>H', text, 3) < oldest
        then
            put_in()
            text = string.sub(text, 1, 2) .. string.sub(text, place(oldest))
            rewritten = true
        end

        if rewritten then
            redis.call('SET', days, text)

        else
            redis.call('SETRANGE', days, at_record - 1, record)
        end
    end


    -- the points that count for a tier now, and when time changes them

    function past.toward(asks)
        local points = past.counted(asks, now)
        local first, last = period(asks, now)

        if asks.window == 'calendar' then
            return points, points ~= 0 and (last + 1) * day or 0
        end

        put_in()

        for i = place(first), #text, size do
            local date, its_points = record_at(form, text, i)

            if its_points ~= 0 then
                return points, (date + asks.window + 1) * day
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
