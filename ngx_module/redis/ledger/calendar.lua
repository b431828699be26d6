-- The calendar: months are counted from January 1970, as days are.
--
-- reads    nothing
-- sets     calendar
-- changes  nothing
--
-- Returns functions: the first day of the year of "date", or of one that comes
-- "more" years later; and the date that is some months later, or the last day
-- of its month.

local function calendar()
    local function first_day(month)
        local year = 1970 + math.floor(month / 12)

        -- years begin in March, so that the leap day is the last one

        month = month % 12 - 1

        if month <= 0 then
            month, year = month + 12, year - 1
        end

        return 365 * year + math.floor(year / 4) - math.floor(year / 100)
               + math.floor(year / 400) + math.floor(367 * month / 12) - 719498
    end


    local function month_of(date)
        local month = math.floor(date / 30.436875)

        while first_day(month) > date do
            month = month - 1
        end

        while first_day(month + 1) <= date do
            month = month + 1
        end

        return month
    end


    local function year_start(date, more)
        return first_day(12 * (math.floor(month_of(date) / 12) + more))
    end


    local function months_later(date, more)
        local month = month_of(date)
        local within = date - first_day(month)

        month = month + more

        return math.min(first_day(month) + within, first_day(month + 1) - 1)
    end

    return year_start, months_later
end
