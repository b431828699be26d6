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

    local later = now + (#tiers == 0 and day or 3600)

    local function also_tier(at)
        also(at ~= 0 and at <= now and later or at)
    end

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
        also_tier(reassessed())

        for _, ends in pairs(grants) do
            also_tier(ends)
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
        local above = tiers[(tier_at[is.tier] or 0) + 1] or { words = '' }
        local asks, changes_at = asked(above), 0

        is.toward = 0

        if asks.window and asks.points then
            is.toward, changes_at = past.toward(asks)
        end

        also(changes_at)
    end

    is.next_due = due

    if past.changed then
        redis.call('SET', days, past.packed(frozen))
    end

    if record then
        redis.call('HSET', orders, order, record)
    end

    for code, value in pairs(reserved) do
        redis.call('HSET', budgets, code, value)
    end

    if results ~= '' then
        redis.call('HSET', orders, order .. ' promotions', results)
    end

    if next(marks) then

        -- what is too old counts for nothing, so it may stay for some events

        if digest % 16 == 0 then
            redis.call('ZREMRANGEBYSCORE', seen, '-inf', '('
                       .. decimal((today - days_kept - spare) * digests))
        end

        for event, score in pairs(marks) do
            redis.call('ZADD', seen, score, event)
        end
    end

    -- a figure that is none must not stop the order half-way

    for _, field in ipairs(conversions) do
        redis.pcall('HINCRBY', shown, field, 1)
    end

    for field, value in pairs(paid) do
        redis.call('HSET', activity, field, value)
    end

    if visited then
        redis.call('HDEL', activity, 'owed')
    end

    if is.created == 0 and kind ~= 'settle' then
        is.created = now
    end

    local changes, n = {}, 0

    for i = 1, #fields do
        local value = is[fields[i]]

        if value ~= held[i] then
            changes[n + 1], changes[n + 2] = fields[i], value
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
