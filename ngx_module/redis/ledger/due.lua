-- What time has done: dates of lots, then validities of tiers.
--
-- reads    all_lots, move, expire, enter, tier_at, asked, reached,
--          valid_until, hold, reassessed, earned, frozen
-- sets     nothing
-- changes  nothing

if is.next_due ~= 0 and is.next_due <= now then
    local due = {}

    for _, lot in ipairs(all_lots()) do
        if lot.pending and lot.activates <= now then
            due[#due + 1] = { at = lot.activates, lot = lot }
        end

        if lot.expires ~= 0 and lot.expires <= now then
            due[#due + 1] = { at = lot.expires, ends = true, lot = lot }
        end
    end

    table.sort(due, function(one, two)
        if one.at ~= two.at then
            return one.at < two.at
        end

        if one.ends ~= two.ends then
            return not one.ends
        end

        return one.lot.name < two.lot.name
    end)

    for _, this in ipairs(due) do
        local lot = this.lot
        local n = lot.left

        if this.ends then
            expire(lot)

        else
            move(lot, -n)
            lot.pending = false
            move(lot, n)
            enter('released:' .. decimal(n), 0, lot.name, '-')
        end
    end
end


-- validities that have ended, one after the other

local n, ends = tier_at[earned.name], 0

if earned.ends <= now then
    ends = reassessed()
end

while not frozen and ends ~= 0 and ends <= now do
    local policy = n and asked(n).downgrade
    local to = reached(0, ends, earned.ends)

    if policy and to < n then
        to = policy == 'one' and n - 1 or n
    end

    hold(to, ends, valid_until(to, ends, earned.ends))
    n, ends = tier_at[earned.name], reassessed()
end
