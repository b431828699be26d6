-- A customer signs in: made where there is none, else brought up to date.
--
-- KEYS[1]  shop:customer:{NN}:ID
-- ARGV     now, field of the identity ("id:NAME:SUBJECT"), its e-mail, "" if
--          it has none or "?" if that could not be asked, an e-mail that was
--          released or "", when the token was issued that an app brought or 0,
--          then pairs of profile field and value; "" leaves the field
--
-- A token of before the provider has ended all sessions, see leave.lua, does
-- nothing.
--
-- The identity's value is "LINKED" or "LINKED EMAIL", where LINKED is the
-- time of the first login with it.  Only what differs is written.
--
-- An e-mail that no identity of the customer has any more must be released,
-- which is done elsewhere (release.lua), or it would be theirs for ever.  So
-- the identity keeps it until it is known to be released: a login that is cut
-- off between is completed by the next one.
--
-- Returns 1 for a new customer, else 0, or -1 for such a token, and the e-mail
-- to release or "".

local key, now, identity, email, released, issued = KEYS[1], unpack(ARGV, 1, 5)

local email_max = 254

if issued ~= '0' then
    local provider = string.match(identity, '^id:([%w_-]+):')
    local ended = redis.call('HGET', key, 'ended:' .. provider)

    if tonumber(issued) <= (tonumber(ended or '') or 0) then
        return { -1, '' }
    end
end

local created = redis.call('HSETNX', key, 'created', now)

local linked = redis.call('HGET', key, identity)
local value = linked and string.match(linked, '^%d+') or now

local function address(of)
    return string.lower(string.match(of, '^%d+ (.+)$') or '')
end

local function others(former)
    local fields = redis.call('HGETALL', key)

    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 3) == 'id:' and fields[i] ~= identity
            and address(fields[i + 1]) == former
        then
            return true
        end
    end

    return false
end

if email == '?' then
    email = string.match(linked or '', '^%d+ (.+)$') or ''
end

local former = address(linked or '')

if #former > email_max or former == string.lower(email)
    or former == string.lower(released) or others(former)
then
    former = ''
end

if email ~= '' then
    value = value .. ' ' .. email
end

if former == '' and value ~= linked then
    redis.call('HSET', key, identity, value)
end

for i = 6, #ARGV, 2 do
    if ARGV[i + 1] ~= ''
        and redis.call('HGET', key, ARGV[i]) ~= ARGV[i + 1]
    then
        redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    end
end

return { created, former }
