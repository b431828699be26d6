-- An event of a customer is booked.
--
-- KEYS[1]   shop:view:{NN}:ID
-- KEYS[2]   shop:ledger:{NN}:ID
-- KEYS[3]   shop:seen:{NN}:ID
-- KEYS[4]   shop:lots:{NN}:ID
-- KEYS[5]   shop:orders:{NN}:ID
-- KEYS[6]   shop:activity:{NN}:ID
-- KEYS[7]   shop:days:{NN}:ID
-- KEYS[8]   shop:due:{NN}
-- KEYS[9]   shop:shown:{NN}
-- KEYS[10]  shop:budget:{NN}
--
-- ARGV[1]   now
-- ARGV[2]   kind
-- ARGV[3]   id of the event
-- ARGV[4]   its time
-- ARGV[5]   order
-- ARGV[6]   amount
-- ARGV[7]   option
-- ARGV[8]   promotions, nine words of each
-- ARGV[9]   when it was told
-- ARGV[10]  a digest of its content, below 2^36; 0 of a login and a visit
-- ARGV[11]  how many days tiers look back, 0 where none does
-- ARGV[12]  "calendar" where one goes by years of the calendar
-- ARGV[13]  number of tiers
-- ARGV      then of each tier, lowest first:
--             name
--             what it asks for
-- ARGV      then of each earning rule for such events, 0 or "" where none:
--             what
--             points
--             "per", of a streak days
--             "min"
--             pace
--             tier
--             multipliers, "TIER:THOUSANDTHS ..."
--             lot
--
-- Kinds:
--
--     settle  does what is due and nothing else
--     login
--     visit   the first one of its day; amount: how many days in a row there
--             were visits
--     custom  order: its name; amount: of money
--     order   amount: of money
--     refund  amount: of money
--     spend   amount: of points
--     adjust  amount: of points; option "qualifying": they count towards tiers
--     grant   order: a tier; amount: until when it is held
--
-- Returns:
--
--     1   what became of it: "booked", "duplicate", "kept", "refused"; or
--         "lease": nothing is booked, as the partition has to lease some of
--         the budget of a promotion first
--     2   the reason, or the code of that promotion
--     3   points
--     4   pending points
--     5   tier
--     6   since when it is held
--     7   until when
--     8   the points towards the next one
--     9   when something is due again
--     10  what became of the promotions, "NAME=WORD ..."
--     11  the budgets that were looked at, "CODE LEASED RETURNED USED ..."
--
-- The parts are files of ledger/.  Each says which locals of other parts it
-- reads, which it sets for others, and which of others it changes; what is on
-- top here, and the customer as it "is" to be, is read by all, and any may add
-- to "writes", the commands that are given when all is known.
--
-- What is due by "now" is done first.  All is read and checked before the
-- first write, so an error leaves nothing half done; and what changes nothing
-- writes nothing, since a write empties the caches of every nginx.  Numbers
-- are integers below 2^53.
--
-- All of this text runs for each event, and a function takes its time by being
-- there, the more of them the longer each: what only some events need is made
-- for these, and what is done once is no function.  "x + 0" reads a number in
-- a third of the time of tonumber().

local view, ledger, seen, lots, orders, activity, days, queue, shown, budgets
    = unpack(KEYS)
local now, kind, id = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local time, order, option = tonumber(ARGV[4]), ARGV[5], ARGV[7]
local told_at = tonumber(ARGV[9])

local max = 9007199254740991
local day, days_kept, ahead = 86400, 400, 300
local days_back = days_kept + 30    -- of an event that was told, and waited
local spare = 32        -- days that a clock may go back
local limits_kept = 32
local today = math.floor(now / day)

local digests = 2 ^ 36
local digest = tonumber(ARGV[10])

local amount = string.find(ARGV[6], '^%-?%d+$') and tonumber(ARGV[6])


-- "%d" takes half the time, and has 32 bits on any machine

local format = string.format

local function decimal(n)
    return format(n < 2147483648 and n > -2147483648 and '%d' or '%.0f', n)
end


-- part: customer
-- part: program
-- part: calendar
-- part: days
-- part: tiers
-- part: lots


-- The events; what is refused is so before anything is changed.

local book = {}
local keeps_id = kind ~= 'login' and kind ~= 'visit'

if kind ~= 'settle' then
    -- part: paying
    -- part: rewards
    -- part: orders
    -- part: promotions
    -- part: purchase
    -- part: taking


    if kind == 'grant' then
        function book.grant()
            if not tier_at[order] then
                return 'refused', 'tier_unknown'
            end

            grants[order] = math.max(grants[order] or 0, amount)

            return 'booked'
        end
    end
end


-- part: due


-- The event.  Its id is scored by the day it was booked and a digest of the
-- content, for 400 days; what is older counts for nothing, so it may stay for
-- some events.  It may have waited for its customer: whether it is too old, or
-- of a time to come, goes by when it was told.

raise(now, 0)

local due_before = is.next_due
local status, reason = 'booked'

if kind ~= 'settle' then
    local marked = (redis.call('ZSCORE', seen, id) or 0) + 0

    if math.floor(marked / digests) >= today - days_kept then
        if marked % digests == digest then
            status = 'duplicate'

            if ARGV[8] ~= '' then
                results = redis.call('HGET', orders, order .. ' promotions')
                          or ''
                promoted.tell()
            end

        else
            status, reason = 'refused', 'id_reused'
        end

    elseif not book[kind] then
        status, reason = 'refused', 'type_unknown'

    elseif time < told_at - days_kept * day then
        status, reason = 'refused', 'too_old'

    elseif time > told_at + ahead then
        status, reason = 'refused', 'in_future'

    elseif not amount or amount > max or amount < -max then
        status, reason = 'refused', 'too_large'

    else
        local late = reached_late and reached_late(time) or 0

        status, reason = book[kind]()

        if status ~= 'refused' and status ~= 'lease' then
            raise(time, late)

            if keeps_id then
                if digest % 16 == 0 then
                    writes[#writes + 1] = {
                        'ZREMRANGEBYSCORE', seen, '-inf',
                        '(' .. decimal((today - days_kept - spare) * digests)
                    }
                end

                writes[#writes + 1] = { 'ZADD', seen, today * digests + digest,
                                        id }
            end
        end
    end
end


-- part: write

return { status, reason or '', is.points, is.pending, is.tier,
         is.tier_since, is.tier_until, is.toward, is.next_due,
         results, figures and table.concat(figures, ' ') or '' }
