-- All is written.
--
-- reads    what the parts before it have set; due_before, status
-- sets     nothing
-- changes  is

if kind == 'settle' and not exists then
    redis.call('ZREM', queue, string.match(view, '}:([^}]*)$'))

elseif exists or status == 'booked' or status == 'kept' then
    for i = 1, #entries, 1000 do
        redis.call('RPUSH', ledger,
                   unpack(entries, i, math.min(i + 999, #entries)))
    end

    -- what was due first may be so no more: then it is found out at that time

    local due = known_all and 0 or is.next_due

    local function also(at)
        if at ~= 0 and (due == 0 or at < due) then
            due = at
        end
    end


    -- of a tier that is not known it cannot be done

    local later = now + (ntiers == 0 and day or 3600)

    for _, lot in ipairs(known_lots) do
        if lot.left > 0 then
            also(lot.pending and lot.activates or lot.expires)
        end

        if lot.changed and lot.name ~= '-' then
            if lot.left == 0 then
                redis.call('ZREM', lots, lot.name)

            else
                redis.call('ZADD', lots, (lot.pending and '-' or '')
                                         .. decimal(lot.left), lot.name)
            end
        end
    end

    if frozen and due_before > now then
        also(due_before)

    else
        local ends = reassessed()

        also(ends ~= 0 and ends <= now and later or ends)

        for _, ends in pairs(grants) do
            also(ends <= now and later or ends)
        end

        -- when it changes is not known any more

        if frozen and is.toward ~= 0 then
            also((today + 1) * day)
        end
    end

    -- who knows the tier of a grant is to see it

    if frozen and kind == 'grant' and status == 'booked' then
        also(later)
    end

    -- the points that count for the next tier, where these are not all that
    -- were earned, and when time changes them

    if not frozen then
        local above = (tier_at[is.tier] or 0) + 1
        local asks = above <= ntiers and asked(above)

        is.toward = 0

        if asks and asks.window and asks.points then
            local changes_at

            is.toward, changes_at = past.toward(asks)
            also(changes_at)
        end
    end

    is.next_due = due

    if past.changed then
        past.write(frozen)
    end

    -- a figure that is none must not stop the order half-way

    for _, command in ipairs(writes) do
        local call = command[1] == 'HINCRBY' and redis.pcall or redis.call

        call(unpack(command))
    end

    if is.created == 0 and kind ~= 'settle' then
        is.created = now
    end

    local changes, n = {}, 0

    for i = 1, #fields do
        local value = is[fields[i]]

        if value ~= held[i] then
            changes[n + 1] = fields[i]
            changes[n + 2] = i <= numbers and decimal(value) or value
            n = n + 2
        end
    end

    if n > 0 then
        redis.call('HSET', view, unpack(changes))
    end

    -- all is booked, so a queue that is none makes no error of it; who works
    -- for the queue tells of that

    if kind == 'settle' or due ~= due_before then
        local customer = string.match(view, '}:([^}]*)$')

        if due == 0 then
            redis.pcall('ZREM', queue, customer)

        else
            redis.pcall('ZADD', queue, decimal(due), customer)
        end
    end
end
