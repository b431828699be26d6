-- A partition returns what it has not used of a promotion's budget.
--
-- KEYS[1]  shop:budget:{NN}
-- ARGV     code, how much was leased to it in all
--
-- The field CODE is "LEASED RETURNED USED BUDGET", of which the last is the
-- budget by which it was leased.  What was leased and has not got here yet is
-- returned, too: it comes too late then.  What cannot be understood returns
-- nothing.
--
-- Returns how much was leased, returned and used, in all.

local key, code = KEYS[1], ARGV[1]

local held = redis.call('HGET', key, code) or '0 0 0 0'
local leased, returned, used, budget
    = string.match(held, '^(%d+) (%d+) (%d+) (%d+)$')

if not budget then
    return { tonumber(ARGV[2]), 0, tonumber(ARGV[2]) }
end

leased = math.max(tonumber(leased), tonumber(ARGV[2]))
used = tonumber(used)
returned = leased - used

local is = string.format('%.0f %.0f %.0f %s', leased, returned, used, budget)

if is ~= held then
    redis.call('HSET', key, code, is)
end

return { leased, returned, used }
