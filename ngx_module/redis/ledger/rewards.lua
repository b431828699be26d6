-- The events that pay points and nothing else: login, visit, custom.
--
-- reads    put, fits, rules_for, has_paid, count
-- sets     book.login, book.visit, book.custom
-- changes  keeps_id
--
-- "signup" is paid at the first login, and marked for ever even where nothing
-- is paid for it, so that a rule that comes later is for who comes later.  A
-- login that is not paid leaves no trace.  A visit is booked if the field
-- "owed" of "activity" is that visit, and goes with it.

if kind == 'login' or kind == 'visit' or kind == 'custom' then
    local function reward(what, event)
        local rewarded = false

        for _, rule in ipairs(rules_for(what)) do
            if fits(rule.points) then
                count(time, rule.points, 0, 0)
                put(rule.lot, rule.points, string.match(what, '^%a+'),
                    event)
                has_paid(rule)
                rewarded = true
            end
        end

        return rewarded
    end


    function book.login()
        if not redis.call('ZSCORE', seen, 'signup') then
            reward('signup', 'signup')
            writes[#writes + 1] = { 'ZADD', seen, '+inf', 'signup' }
        end

        if reward('login', id) then
            keeps_id = true
        end

        return 'booked'
    end


    function book.visit()
        local owed = redis.call('HGET', activity, 'owed')

        if owed ~= ARGV[4] .. ' ' .. ARGV[6] then
            return 'duplicate'
        end

        reward('visit', id)
        reward('streak', id)
        writes[#writes + 1] = { 'HDEL', activity, 'owed' }

        return 'booked'
    end


    function book.custom()
        reward('custom:' .. order, id)

        return 'booked'
    end
end
