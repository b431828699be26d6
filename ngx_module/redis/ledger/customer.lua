-- The customer, as "held" and as it "is" to be; the first fields are numbers.
-- What was "earned" is kept where a tier was "granted", and asked for only
-- then.  All else that is to be written is gathered here, too.
--
-- reads    nothing
-- sets     fields, numbers, held, is, exists; entries, writes, results,
--          figures, promoted; enter
-- changes  nothing

local fields = { 'points', 'pending', 'qualifying', 'orders', 'nothing',
                 'spend', 'first_order', 'last_order', 'refunds',
                 'next_due', 'tier_since', 'tier_until', 'toward', 'created',
                 'tier', 'granted', 'earned' }
local numbers, read = 14, 16
local held = redis.call('HMGET', view, unpack(fields, 1, read))

local exists = false

for i = 1, numbers do
    exists = exists or held[i]

    local n = (held[i] or 0) + 0

    if n % 1 ~= 0 or n > max or n < -max then
        return redis.error_reply('ERR the view holds no integer')
    end

    held[i] = n
end

for i = numbers + 1, read do
    exists = exists or held[i]
    held[i] = held[i] or ''
end

held[17] = held[16] ~= '' and redis.call('HGET', view, 'earned') or ''

-- a table that is made with all of its fields need not grow

local is = {
    points = held[1], pending = held[2], qualifying = held[3],
    orders = held[4], nothing = held[5], spend = held[6],
    first_order = held[7], last_order = held[8], refunds = held[9],
    next_due = held[10], tier_since = held[11], tier_until = held[12],
    toward = held[13], created = held[14], tier = held[15],
    granted = held[16], earned = held[17]
}

local entries, writes = {}, {}
local results, figures, promoted = ''


local function enter(word, points, lot, event)
    entries[#entries + 1] = ARGV[1] .. ' ' .. word .. ' ' .. decimal(points)
                            .. ' ' .. lot .. ' ' .. decimal(is.points) .. ' '
                            .. event
end
