-- A customer signs in: made where there is none, else brought up to date.
--
-- KEYS[1]  shop:customer:{NN}:ID
-- ARGV     now, field of the identity ("id:NAME:SUBJECT"), its e-mail or "",
--          then pairs of profile field and value; "" leaves the field
--
-- The identity's value is "LINKED" or "LINKED EMAIL", where LINKED is the
-- time of the first login with it.  Only what differs is written.  Returns 1
-- for a new customer, else 0.

local key, now, identity, email = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local created = redis.call('HSETNX', key, 'created', now)

local linked = redis.call('HGET', key, identity)
local value = linked and string.match(linked, '^%d+') or now

if email ~= '' then
    value = value .. ' ' .. email
end

if value ~= linked then
    redis.call('HSET', key, identity, value)
end

for i = 4, #ARGV, 2 do
    if ARGV[i + 1] ~= ''
        and redis.call('HGET', key, ARGV[i]) ~= ARGV[i + 1]
    then
        redis.call('HSET', key, ARGV[i], ARGV[i + 1])
    end
end

return created
