-- id. Forgets an ended job. Replies its former state, or '' when there was none; one that lives stays.
local id = ARGV[2]
local state = get(id, 'state')
if not state then return '' end
if next(legal[state]) then return state end
local caller = get(id, 'caller')
redis.call('ZREM', jobs_key(caller), id)
redis.call('ZREM', jobs_key(caller, state), id)
redis.call('ZREM', expiries_key, id)
redis.call('DEL', job_key(id), events_key(id))
return state
