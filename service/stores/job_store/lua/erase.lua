-- id, '1' to go on sending the messages that are on their way. Forgets an ended job with its messages. Replies its former
-- state, or '' when there was none; one that lives stays.
local id, go_on = ARGV[2], ARGV[3] == '1'
local state = get(id, 'state')
if not state then return '' end
if next(legal[state]) then return state end
local caller = get(id, 'caller')
redis.call('ZREM', jobs_key(caller), id)
redis.call('ZREM', jobs_key(caller, state), id)
redis.call('ZREM', expiries_key, id)
for n = 1, redis.call('LLEN', deliveries_key(id)) do
  local name = id .. ':' .. n
  if not (go_on and redis.call('HGET', delivery_key(name), 'state') == 'pending') then
    drop_due(caller, name)
    forget_message(name)
  end
end
redis.call('DEL', job_key(id), events_key(id), deliveries_key(id))
return state
