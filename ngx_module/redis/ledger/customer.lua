-- The customer, as "held" and as it "is" to be; the first fields are numbers.
-- What was "earned" is kept where a tier was "granted", and asked for only
-- then.  All else that is to be written is gathered here, too.
--
-- reads    nothing
-- sets     fields, held, is, exists; entries, marks, conversions, paid,
--          record, visited, results, figures, reserved, told, promoted; enter
-- changes  nothing

local fields = { 'points', 'pending', 'qualifying', 'orders', 'nothing',
                 'spend', 'first_order', 'last_order', 'refunds',
                 'next_due', 'tier_since', 'tier_until', 'toward', 'created',
                 'tier', 'granted', 'earned' }
local numbers, read = 14, 16
local held = redis.call('HMGET', view, unpack(fields, 1, read))
local exists = false

-- a table that is made with all of its fields need not grow

local is = { points = 0, pending = 0, qualifying = 0, orders = 0, nothing = 0,
             spend = 0, first_order = 0, last_order = 0, refunds = 0,
             next_due = 0, tier_since = 0, tier_until = 0, toward = 0,
             created = 0, tier = '', granted = '', earned = '' }

for i = 1, read do
    local field, value = fields[i], held[i]

    if value then
        exists = true

        if i <= numbers then
            value = integer(value)

            if not value then
                return redis.error_reply('ERR the view holds no integer')
            end
        end

        is[field] = value
    end

    held[i] = is[field]
end

if is.granted ~= '' then
    is.earned = redis.call('HGET', view, 'earned') or ''
end

held[#fields] = is.earned

local entries, marks, conversions = {}, {}, {}
local paid, record, visited = {}
local results, figures, reserved, told = '', {}, {}
local promoted = {}


local function enter(word, points, lot, event)
    entries[#entries + 1] = ARGV[1] .. ' ' .. word .. ' ' .. decimal(points)
                            .. ' ' .. lot .. ' ' .. decimal(is.points) .. ' '
                            .. event
end
