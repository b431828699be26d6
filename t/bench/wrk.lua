
-- Copyright (C) The ngx_shop authors

-- Requests for wrk: wrk -s wrk.lua URL -- FILE PATH START
--
-- Each line of FILE is the id of a customer, a blank, and the value of
-- Cookie, which may be empty.  They are asked for in turn, from START on, a
-- part of all of them, with the id in the arguments, where the storefront
-- compares it with what it is told.

local requests = {}
local last = 0


function init(args)
    for line in io.lines(args[1]) do
        local id, cookie = line:match("^(%S+) (.*)$")
        local headers = cookie ~= "" and { Cookie = cookie } or {}

        requests[#requests + 1] = wrk.format("GET", args[2] .. "?id=" .. id,
                                             headers)
    end

    last = math.floor(args[3] * #requests)
end


function request()
    last = last % #requests + 1

    return requests[last]
end


-- one line that bench reads; times are in microseconds

function done(summary, latency)
    local e = summary.errors

    print(string.format("result requests=%d duration=%d errors=%d p99=%d",
                        summary.requests, summary.duration,
                        e.connect + e.read + e.write + e.status + e.timeout,
                        latency:percentile(99)))
end
