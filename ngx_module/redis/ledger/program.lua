-- Tiers and earning rules, as ARGV has them.
--
-- reads    nothing
-- sets     ntiers, tier_at, looks_back, windowed, yearly, rules; asked
-- changes  nothing
--
-- Tiers stay where they are: of number N the name is ARGV[12 + 2 * N], and
-- what it asks for is behind that, words of NAME=VALUE: points, spend, orders;
-- window, "calendar" or a number of days (for ever without it); match=all;
-- valid, "calendar", or seconds or months ("12M"), after which that day ends
-- (for ever without it); grace, in seconds; downgrade, "one" or "none".  A
-- year of the calendar that qualifies does so to the end of the next one,
-- whenever that is found out.

local ntiers, tier_at, rules = tonumber(ARGV[13]), {}, {}
local looks_back, yearly = ARGV[11] + 0, ARGV[12] ~= ''
local windowed = looks_back > 0

for n = 1, ntiers do
    tier_at[ARGV[12 + 2 * n]] = n
end

local at = 14 + 2 * ntiers

while at <= #ARGV do
    rules[#rules + 1] = {
        what = ARGV[at], points = ARGV[at + 1] + 0,
        per = ARGV[at + 2] + 0, min = ARGV[at + 3] + 0,
        pace = ARGV[at + 4], tier = ARGV[at + 5],
        multiply = ARGV[at + 6], lot = ARGV[at + 7],
        text = ' ' .. ARGV[at + 2] .. ' ' .. ARGV[at + 1] .. ' '
               .. ARGV[at + 7]
    }
    at = at + 8
end


local asks = {}

local function asked(n)
    if not asks[n] then
        asks[n] = {}

        for name, value in string.gmatch(ARGV[13 + 2 * n], '(%a+)=(%S+)') do
            asks[n][name] = tonumber(value) or value
        end
    end

    return asks[n]
end
