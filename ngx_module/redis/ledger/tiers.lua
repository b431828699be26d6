-- The tier that the customer has.
--
-- reads    tiers, tier_at, asked, calendar, past
-- sets     grants, earned; reached, hold, reassessed, raise
-- changes  is

-- the highest tier above "above" that is qualified for, or that

local function reached(above, at, ended)
    for i = #tiers, above + 1, -1 do
        local asks = asked(tiers[i])
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

        if not missed or met and asks.match ~= 'all' then
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


local function hold(n, at)
    local tier = tiers[n] or { name = '', words = '' }
    local valid = asked(tier).valid
    local year_start, months_later = calendar()
    local date = math.floor(at / day)

    if tier.name ~= earned.name then
        earned.name, earned.since = tier.name, at
    end

    if not valid then
        earned.ends = 0

    elseif valid == 'calendar' then
        earned.ends = year_start(date, 2) * day

    elseif type(valid) == 'number' then
        earned.ends = (math.floor((at + valid) / day) + 1) * day

    else
        local months = tonumber(string.match(valid, '^%d+'))

        earned.ends = (months_later(date, months) + 1) * day
    end
end


-- when the earned one is; 0: never

local function reassessed()
    local n = tier_at[earned.name]

    if earned.ends == 0 or not n and earned.ends <= now then
        return 0
    end

    return earned.ends + (n and asked(tiers[n]).grace or 0)
end


-- the higher of the tier that was earned and those granted is the customer's;
-- an upgrade is immediate, and nobody is demoted here

local function raise()
    local n = tier_at[earned.name] or 0
    local better = reached(n, now)

    if better > n then
        n = better
        hold(n, now)
    end

    local is_granted = 0

    for name, ends in pairs(grants) do
        if ends <= now then
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

    if is_granted == 0 then
        is.tier, is.tier_since = earned.name, earned.since
        is.tier_until = earned.ends
        return
    end

    local tier = tiers[is_granted]

    if is.tier ~= tier.name then
        is.tier, is.tier_since = tier.name, now
    end

    is.tier_until = grants[tier.name]
end
