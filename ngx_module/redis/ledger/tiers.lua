-- The tier that the customer has.
--
-- reads    ntiers, tier_at, yearly, asked, calendar, past
-- sets     grants, earned, frozen; reached, valid_until, hold, reassessed,
--          reached_late, raise
-- changes  is
--
-- A program without tiers has nothing to say of them, and one that lacks a
-- tier that was reached within a day may be older than that tier: what belongs
-- to tiers stays as it is then.  Else the name has gone from the program.

-- whether there is at "at" what a tier asks for

local function qualifies(asks, at, ended)
    local points, spend, ordered = is.qualifying, is.spend,
                                   is.orders - is.nothing

    if asks.window then
        points, spend, ordered = past.counted(asks, at, ended)
    end

    local missed = asks.points and points < asks.points
                   or asks.spend and spend < asks.spend
                   or asks.orders and ordered < asks.orders
    local met = asks.points and points >= asks.points
                or asks.spend and spend >= asks.spend
                or asks.orders and ordered >= asks.orders

    return not missed or met and asks.match ~= 'all'
end


-- the highest tier above "above" that is qualified for, or that

local function reached(above, at, ended)
    for i = ntiers, above + 1, -1 do
        if qualifies(asked(i), at, ended) then
            return i
        end
    end

    return above
end


-- The tier that was earned, and those that were granted: the ends of these by
-- name.  Without any the view has the earned one as the customer's.

local grants, earned = {}, { name = is.tier, since = is.tier_since,
                             ends = is.tier_until }

if is.granted ~= '' then
    for name, ends in string.gmatch(is.granted, '(%S+) (%d+)') do
        grants[name] = tonumber(ends)
    end
end

if is.earned ~= '' then
    local since, ends, name = string.match(is.earned, '^(%d+) (%d+) (.*)$')

    earned = { name = name, since = tonumber(since), ends = tonumber(ends) }
end


-- whether what belongs to tiers stays as it is

local frozen = ntiers == 0
               or is.tier ~= '' and not tier_at[is.tier]
                  and now - is.tier_since < day
               or earned.name ~= '' and not tier_at[earned.name]
                  and now - earned.since < day


-- until when tier "n" is valid that is held from "at" on, 0: for ever; "ended"
-- is when the validity before it did, from where a year is looked back

local function valid_until(n, at, ended)
    local asks = n > 0 and asked(n)
    local valid = asks and asks.valid

    if not valid then
        return 0
    end

    if type(valid) == 'number' then
        return (math.floor((at + valid) / day) + 1) * day
    end

    local year_start, months_later = calendar()

    if valid == 'calendar' then
        local last = at

        if ended then
            last = (asks.window == 'calendar' and ended or at) - 1
        end

        return year_start(math.floor(last / day), 2) * day
    end

    local months = tonumber(string.match(valid, '^%d+'))

    return (months_later(math.floor(at / day), months) + 1) * day
end


local function hold(n, at, ends)
    local name = n > 0 and ARGV[12 + 2 * n] or ''

    if name ~= earned.name then
        earned.name, earned.since = name, at
    end

    earned.ends = ends
end


-- when the earned one is; 0: never

local function reassessed()
    local n = tier_at[earned.name]

    if earned.ends == 0 then
        return 0
    end

    -- that much less is read than by asked()

    return earned.ends
           + (n and string.match(ARGV[13 + 2 * n], 'grace=(%d+)') or 0)
end


local reached_late, raise_late

if yearly then
    local year_start = calendar()
    local this_year = year_start(today, 0)


    -- the highest tier that the year of "at" qualifies for, if it has ended

    function reached_late(at)
        if frozen or math.floor(at / day) >= this_year then
            return 0
        end

        for i = ntiers, 1, -1 do
            local asks = asked(i)

            if asks.window == 'calendar' and qualifies(asks, at) then
                return i
            end
        end

        return 0
    end


    -- a tier above "n" that an ended year qualifies for is held as if that had
    -- been found out then, if it is not over

    function raise_late(n, at)
        for i = reached_late(at), n + 1, -1 do
            local asks = asked(i)
            local ends = asks.window == 'calendar' and qualifies(asks, at)
                         and valid_until(i, at)

            if ends and (ends == 0 or ends + (asks.grace or 0) > now) then
                hold(i, now, ends)
                return
            end
        end
    end
end


-- The higher of the tier that was earned and those granted is the customer's;
-- an upgrade is immediate, and nobody is demoted here.  "at" is the time of
-- what was booked, "late" what its year had qualified for without it.

local function raise(at, late)
    local n = tier_at[earned.name] or 0

    if not frozen then
        local better = reached(n, now)

        if better > n then
            hold(better, now, valid_until(better, now))
        end

        if raise_late then
            raise_late(math.max(better, late), at)
        end

        n = tier_at[earned.name] or 0
    end

    local is_granted = 0

    for name, ends in pairs(grants) do
        if ends <= now and not frozen then
            grants[name] = nil

        elseif (tier_at[name] or 0) > math.max(n, is_granted) then
            is_granted = tier_at[name]
        end
    end

    is.earned, is.granted = '', ''

    if next(grants) then
        local list = {}

        for name, ends in pairs(grants) do
            list[#list + 1] = name .. ' ' .. decimal(ends)
        end

        table.sort(list)

        is.granted = table.concat(list, ' ')
        is.earned = decimal(earned.since) .. ' ' .. decimal(earned.ends)
                    .. ' ' .. earned.name
    end

    if frozen then
        return
    end

    if is_granted == 0 then
        is.tier, is.tier_since = earned.name, earned.since
        is.tier_until = earned.ends
        return
    end

    local tier = ARGV[12 + 2 * is_granted]

    if is.tier ~= tier then
        is.tier, is.tier_since = tier, now
    end

    is.tier_until = grants[tier]
end
