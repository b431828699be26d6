-- A part of a promotion's budget is leased to a partition of the store.
--
-- KEYS[1]  shop:budget
-- ARGV     code, partition, budget, number of partitions, 1: it needs some, 0:
--          it only tells; and what it says of itself: how much was leased to
--          it, was returned and is used, all in all
--
-- The field CODE:NN is "LEASED RETURNED USED" of a partition; CODE has sums of
-- all, "RESERVED USED", where what was leased and not returned is reserved.
-- These only grow, but RESERVED.  So whatever is told late, or twice, or not
-- at all since somebody died, the larger figure is the right one; and what was
-- leased and has not got to its partition is handed over by who comes next.
--
-- Nothing is leased beyond the budget.  A lease is a share of what is left, so
-- at the end it is one.
--
-- Returns "given" and how much was leased to the partition in all; "sold",
-- once all is used; "recall" and partitions that have some unused, each with
-- what was leased to it in all; or "told", where nothing is wanted.

local key = KEYS[1]
local code, nn = ARGV[1], ARGV[2]
local budget, partitions = tonumber(ARGV[3]), tonumber(ARGV[4])
local wanted = ARGV[5] == '1'

local recalled = 60     -- partitions at once
local step = 1000


local function numbers(text)
    local list = {}

    for n in string.gmatch(text or '', '%d+') do
        list[#list + 1] = tonumber(n)
    end

    return list[1] or 0, list[2] or 0, list[3] or 0
end


local function text(...)
    local list = { ... }

    for i, n in ipairs(list) do
        list[i] = string.format('%.0f', n)
    end

    return table.concat(list, ' ')
end


local held = redis.call('HMGET', key, code .. ':' .. nn, code)
local leased, returned, used = numbers(held[1])
local reserved, all_used = numbers(held[2])
local told = tonumber(ARGV[6])

reserved = reserved - leased + returned
all_used = all_used - used

leased = math.max(leased, told)
returned = math.max(returned, tonumber(ARGV[7]))
used = math.max(used, tonumber(ARGV[8]))

reserved = reserved + leased - returned
all_used = all_used + used

local left = budget - reserved
local answer

if wanted and left > 0 and leased == told then
    local chunk = math.max(math.floor(left / (2 * partitions)), 1)

    leased = leased + chunk
    reserved = reserved + chunk
end

if leased > told and reserved <= budget then
    answer = { 'given', text(leased) }

elseif all_used >= budget then
    answer = { 'sold' }
end

local is, sums = text(leased, returned, used), text(reserved, all_used)

if is ~= held[1] or sums ~= held[2] then
    redis.call('HSET', key, code .. ':' .. nn, is, code, sums)
end

if answer or not wanted then
    return answer or { 'told' }
end

answer = { 'recall' }

for first = 0, partitions - 1, step do
    local fields = {}

    for i = first, math.min(first + step, partitions) - 1 do
        fields[#fields + 1] = code .. ':' .. text(i)
    end

    for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
        local its, back, gone = numbers(value)

        if its - back - gone > 0 and #answer <= 2 * recalled then
            answer[#answer + 1] = text(first + i - 1)
            answer[#answer + 1] = text(its)
        end
    end
end

-- sums that do not fit the fields: nobody has any

return answer[2] and answer or { 'sold' }
