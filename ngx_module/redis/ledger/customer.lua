-- The customer, as "held" and as it "is" to be; the first fields are numbers.
-- What was "earned" is kept where a tier was "granted", and asked for only
-- then.  All else that is to be written is gathered here, too.
--
-- reads    nothing
-- sets     fields, held, is, exists; entries, writes, results, figures,
--          promoted; enter, write
-- changes  nothing

local fields = { 'points', 'pending', 'qualifying', 'orders', 'nothing',
                 'spend', 'first_order', 'last_order', 'refunds',
                 'next_due', 'tier_since', 'tier_until', 'toward', 'created',
                 'tier', 'granted', 'earned' }
local numbers, read = 14, 16
local held = redis.call('HMGET', view, unpack(fields, 1, read))

local exists = false

for i = 1, read do
    if held[i] then
        exists = true
        break
    end
end

-- no loop does this as fast

local is = {
    points = (held[1] or 0) + 0, pending = (held[2] or 0) + 0,
    qualifying = (held[3] or 0) + 0, orders = (held[4] or 0) + 0,
    nothing = (held[5] or 0) + 0, spend = (held[6] or 0) + 0,
    first_order = (held[7] or 0) + 0, last_order = (held[8] or 0) + 0,
    refunds = (held[9] or 0) + 0, next_due = (held[10] or 0) + 0,
    tier_since = (held[11] or 0) + 0, tier_until = (held[12] or 0) + 0,
    toward = (held[13] or 0) + 0, created = (held[14] or 0) + 0,
    tier = held[15] or '', granted = held[16] or '', earned = ''
}

-- a fraction, and what is no number, is found in the sum

local sum = is.points + is.pending + is.qualifying + is.orders + is.nothing
            + is.spend + is.first_order + is.last_order + is.refunds
            + is.next_due + is.tier_since + is.tier_until + is.toward
            + is.created

if sum % 1 ~= 0 then
    return redis.error_reply('ERR the view holds no integer')
end

if is.granted ~= '' then
    held[17] = redis.call('HGET', view, 'earned')
    is.earned = held[17] or ''
end

local entries, writes = {}, {}
local results, figures = '', {}
local promoted = {}


local function enter(word, points, lot, event)
    entries[#entries + 1] = ARGV[1] .. ' ' .. word .. ' ' .. decimal(points)
                            .. ' ' .. lot .. ' ' .. decimal(is.points) .. ' '
                            .. event
end


-- a command that changes something, once all is known

local function write(...)
    writes[#writes + 1] = { ... }
end
