-- What wrk asks, and what it may be answered: any other reply ends the run.
--
-- BENCH_EXCHANGES is a file that returns `requests`, a list of {method, path, headers, before, after}, and either
-- `bodies`, the set of the only bodies there may be, or `part`, what each body must have in it; `status` goes for all.
-- A request may have a `body`; or `before` and `after`, and something between them that no other request has.
local asked = dofile(os.getenv("BENCH_EXCHANGES"))
local threads, at, count = 0, 0, 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

function init()
    -- So that no two runs write the same.
    mark = os.getenv("BENCH_MARK") .. "-" .. number .. "-"
    for _, each in ipairs(asked.requests) do
        if not each.before then each.whole = wrk.format(each.method, each.path, each.headers, each.body) end
    end
end

function request()
    at = at % #asked.requests + 1
    local each = asked.requests[at]
    if each.whole then return each.whole end
    count = count + 1
    return wrk.format(each.method, each.path, each.headers, each.before .. mark .. count .. each.after)
end

function response(status, headers, body)
    local right = asked.bodies and asked.bodies[body] or asked.part and string.find(body, asked.part, 1, true)
    if status ~= asked.status or not right then
        io.stderr:write("a reply is not what it should be: ", status, " with ", #body, " bytes, ", body:sub(1, 300), "\n")
        os.exit(9)
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests":%d,"microseconds":%d,"errors":%d,"p50":%d,"p99":%d}\n', summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)
    ))
end
