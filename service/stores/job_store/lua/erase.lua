-- requires: records, schedules, deliveries, events
-- Deletes an ended job with its messages. Arguments: id, keep_pending (keep messages that are still to be delivered).
-- Returns its state, '' if there is no such job. A job that has not ended stays.
local id = args.id
local state = get(id, 'state')
if not state then return '' end
if not is_final(state) then return state end
local caller = get(id, 'caller')
for _, key in ipairs(index_keys(id)) do redis.call('ZREM', key, id) end
redis.call('ZREM', expiries_key, id)
redis.call('ZREM', untrimmed_key, id)
for n = 1, redis.call('LLEN', deliveries_key(id)) do
  local name = delivery_name(id, n)
  if not (args.keep_pending and redis.call('HGET', delivery_key(name), 'state') == 'pending') then
    clear_due(caller, name)
    delete_delivery(name)
  end
end
redis.call('DEL', job_key(id), events_key(id), deliveries_key(id))
return state
