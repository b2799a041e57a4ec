-- requires: records, schedules, lifecycle, events
-- Fails up to `limit` jobs whose deadline has passed. `errors` holds the job error (JSON) of each deadline option;
-- `{option}` in it is replaced by the option's value. Returns the ids of the jobs that ended.
local ids = redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', now, 'LIMIT', 0, args.limit)
for _, id in ipairs(ids) do
  local name = get(id, 'started_ms') and 'run_deadline_s' or 'start_deadline_s'
  if cancel_requested(id) then
    end_canceled(id)
  else
    end_job(id, 'failed')
    set(id, 'error', (args.errors[name]:gsub('{' .. name .. '}', integer_text(option(id, name)))))
    emit(id, 'state')
  end
end
return ids
