-- What a provider's notice wants done with an identity of a customer; and what
-- a login takes back that found in the end that the identity is not theirs.
--
-- KEYS[1]  shop:customer:{NN}:ID
-- KEYS[2]  shop:sessions:{NN}:ID
-- KEYS[3]  shop:view:{NN}:ID
-- KEYS[4]  shop:activity:{NN}:ID
-- KEYS[5]  shop:session:{NN}:ID:HASH, and so on: sessions of this customer
-- ARGV     what, when, field of the identity ("id:NAME:SUBJECT"), NAME, an
--          e-mail that was released or "", the e-mail of an identity that has
--          no field any more or "", when the provider has ended them or 0,
--          then the hash of each session
--
-- WHAT is "end": sessions that were made by this provider until WHEN end;
-- "unlink": all that it made end, and the identity is no more the customer's,
-- unless it is the only one, which is how they come back to their points;
-- "erase": it is in any case, and what the provider has told is forgotten,
-- also where it was copied to, WHEN is noted; "undo": the same, but nothing is
-- noted, visits stay, and so does what others of their accounts may have told,
-- if nobody has erased that since WHEN; or "email_on" and "email_off": whether
-- the address of this identity takes mail.
--
-- The address of an identity that goes must be released, which is done
-- elsewhere (release.lua), unless another one of theirs has it.  Until it is
-- known to be, nothing is done but that sessions end: the identity alone tells
-- which address it is.
--
-- With "end" and "unlink" the customer's "ended:NAME" says when that was, the
-- last time, by the provider's clock if the notice tells it: a token of before
-- it signs nobody in as this customer any more.  It goes with their last
-- identity of that provider.
--
-- With the only identity erased, all sessions end, and visits are forgotten:
-- of the activity there stays what bounds points and promotions.  A session
-- that is over already leaves the list.
--
-- An identity may have no field: a login was cut off after its claim, or the
-- shop has given it to the customer by hand.  It is theirs all the same.
--
-- It can be repeated.  Returns 1 if the identity is the customer's no more,
-- else 0, the hashes of the sessions that ended, and the e-mail to release
-- or "".

local key, list, view, activity = unpack(KEYS, 1, 4)
local what, when, identity, provider, released, told, over
    = unpack(ARGV, 1, 7)

local email_max = 254

local fields = redis.call('HGETALL', key)
local profile, address, addresses, others = {}, nil, {}, 0
local linked, names = {}, {}
local prefix, others_by = 'id:' .. provider .. ':', 0

for i = 1, #fields, 2 do
    local field, value = fields[i], fields[i + 1]

    profile[field] = value

    if field == identity then
        address = string.match(value, ' (.*)$')

    elseif string.sub(field, 1, 3) == 'id:' then
        addresses[string.lower(string.match(value, ' (.*)$') or '')] = true
        others = others + 1

        if string.sub(field, 1, #prefix) == prefix then
            others_by = others_by + 1
        end

        local name = string.match(field, '^id:([%w_-]+):')

        if name and not linked[name] and #names < 64 then
            linked[name] = true
            names[#names + 1] = name
        end
    end
end

if what == 'email_on' then
    if address and string.lower(profile['email_disabled'] or '')
                   == string.lower(address)
    then
        redis.call('HDEL', key, 'email_disabled')
    end

elseif what == 'email_off' then
    if address and profile['email_disabled'] ~= address then
        redis.call('HSET', key, 'email_disabled', address)
    end
end

if (what == 'end' or what == 'unlink')
    and tonumber(over) > (tonumber(profile['ended:' .. provider]) or 0)
then
    redis.call('HSET', key, 'ended:' .. provider, over)
end

local alone = what == 'erase' and others == 0
local forgets = what == 'erase' or what == 'undo'
local leaves = forgets or what == 'unlink' and others > 0

local ended = {}

if what ~= 'email_on' and what ~= 'email_off' then
    for i = 5, #KEYS do
        local by, made = unpack(redis.call('HMGET', KEYS[i], 'provider',
                                           'created'))
        local later = what == 'end' and (tonumber(made) or 0) > tonumber(when)
        local ends = by and (alone or by == provider) and not later

        if ends then
            ended[#ended + 1] = ARGV[i + 3]
        end

        if ends or not by then
            redis.call('DEL', KEYS[i])
            redis.call('ZREM', list, ARGV[i + 3])
        end
    end
end

-- what is released is theirs no more; a login that was cut off may have put
-- another one into the profile only

local function is_released(email)
    return released ~= '' and string.lower(email) == string.lower(released)
end

if leaves and address and is_released(address) then
    redis.call('HSET', key, identity,
               string.match(profile[identity], '^%d+') or when)
    address = nil
end

if forgets and profile['email'] and is_released(profile['email']) then
    redis.call('HDEL', key, 'email', 'email_state')
    profile['email'] = nil
end

for _, email in ipairs({ address or '', told,
                         forgets and profile['email'] or '' })
do
    local former = string.lower(email)

    if leaves and former ~= '' and #former <= email_max
        and not addresses[former] and not is_released(former)
    then
        return { 0, ended, former }
    end
end

-- the names are copied by activity.lua, but every five minutes only: who is of
-- a segment by another account is not to leave it meanwhile

if leaves then
    local copy = redis.call('HGET', view, 'providers')

    table.sort(names)

    local left = table.concat(names, ',')

    redis.call('HDEL', key, identity)

    if others_by == 0 then
        redis.call('HDEL', key, 'ended:' .. provider)
    end

    if left == '' then
        redis.call('HDEL', view, 'providers')

    elseif copy and copy ~= left then
        redis.call('HSET', view, 'providers', left)
    end
end

if forgets and #fields > 0 then
    local erased = tonumber(profile['erased'] or '') or 0

    if what == 'erase' or others == 0 or erased >= tonumber(when) then
        redis.call('HDEL', key, 'name', 'given_name', 'family_name', 'locale',
                   'picture', 'phone')
        redis.call('HDEL', view, 'locale')
    end

    if not addresses[string.lower(profile['email'] or '')] then
        redis.call('HDEL', key, 'email', 'email_state')
    end

    if not addresses[string.lower(profile['email_disabled'] or '')] then
        redis.call('HDEL', key, 'email_disabled')
    end

    if what == 'erase' then
        redis.call('HSET', key, 'erased', when)
    end
end

if alone then
    local held = redis.call('HGETALL', activity)

    for i = 1, #held, 2 do
        local kind = string.match(held[i], '^(%a+):')

        if kind ~= 'paid' and kind ~= 'used' then
            redis.call('HDEL', activity, held[i])
        end
    end

    redis.call('HDEL', view, 'visits')
end

return { leaves and 1 or 0, ended, '' }
