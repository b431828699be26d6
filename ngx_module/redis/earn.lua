-- What a login earns: "signup" once in a customer's life, "login" unless the
-- last one paid is too recent; and the tier that is reached.
--
-- KEYS[1]  shop:view:{NN}:ID
-- KEYS[2]  shop:ledger:{NN}:ID
-- KEYS[3]  shop:seen:{NN}:ID
-- KEYS[4]  shop:activity:{NN}:ID
-- ARGV     now, id of the login's event, points of "signup" and of "login"
--          (0: no such rule), seconds between two logins paid (0: each is),
--          then the tiers, lowest first: name, qualifying points (-1: none
--          are needed)
--
-- A ledger entry is "TIME KIND POINTS LOT BALANCE EVENT", the balance being
-- the one behind it.  LOT is "-": points that are active at once and never
-- expire lie in no lot.
--
-- Event ids are kept for 400 days, that of "signup" for ever: it is marked
-- at the first login even where nothing is paid for it, so that a rule that
-- comes later is for who comes later.  A login that is not paid leaves no
-- trace.
--
-- Returns points booked for "signup", for "login", the balance behind them
-- and the tier.  What changes nothing writes nothing: a write empties the
-- caches of every nginx.

local view, ledger, seen, activity = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, event, every = ARGV[1], ARGV[2], tonumber(ARGV[5])

local kept = 400 * 86400
local max = 9007199254740991

local function integer(text)
    if not text then
        return 0
    end

    local n = string.match(text, '^%-?%d+$') and tonumber(text)

    if not n or n > max or n < -max then
        return nil
    end

    return n
end

local function decimal(n)
    return string.format('%.0f', n)
end

-- all is read and checked first, so that an error leaves nothing half done

local held = redis.call('HMGET', view, 'created', 'points', 'qualifying',
                        'tier')

local points, qualifying = integer(held[2]), integer(held[3])

if not points or not qualifying then
    return redis.error_reply('ERR the view holds no integer')
end

local last = integer(redis.call('HGET', activity, 'login_paid')) or 0

local new = not redis.call('ZSCORE', seen, 'signup')
local due = ARGV[4] ~= '0'
            and not redis.call('ZSCORE', seen, event)
            and (every == 0 or last == 0 or now - last >= every)

local changes = {}

local function change(field, value)
    changes[#changes + 1] = field
    changes[#changes + 1] = value
end

local function book(kind, id, amount)
    if points + amount > max or qualifying + amount > max then
        return 0
    end

    points = points + amount
    qualifying = qualifying + amount

    redis.call('RPUSH', ledger, now .. ' ' .. kind .. ' ' .. decimal(amount)
                                .. ' - ' .. decimal(points) .. ' ' .. id)
    return amount
end

local before, qualifying_before = points, qualifying
local signup, login = 0, 0

if new then
    if ARGV[3] ~= '0' then
        signup = book('signup', 'signup', tonumber(ARGV[3]))
    end

    redis.call('ZADD', seen, '+inf', 'signup')
end

if due then
    login = book('login', event, tonumber(ARGV[4]))

    if login > 0 then
        redis.call('ZREMRANGEBYSCORE', seen, '-inf',
                   '(' .. decimal(now - kept))
        redis.call('ZADD', seen, now, event)
        redis.call('HSET', activity, 'login_paid', now)
    end
end

if not held[1] then
    change('created', now)
end

if points ~= before then
    change('points', decimal(points))
end

if qualifying ~= qualifying_before then
    change('qualifying', decimal(qualifying))
end

-- the higher of the tier held and the one reached; nobody is demoted here

local tier, at, reached = held[4], 0, 0

for i = 6, #ARGV, 2 do
    if ARGV[i] == tier then
        at = i
    end

    if qualifying >= tonumber(ARGV[i + 1]) or ARGV[i + 1] == '-1' then
        reached = i
    end
end

if reached > at then
    tier = ARGV[reached]
    change('tier', tier)
    change('tier_since', now)
end

if #changes > 0 then
    redis.call('HSET', view, unpack(changes))
end

return { signup, login, points, tier or '' }
