-- requires: records, leases, lifecycle, counters, events
-- Ends up to `limit` expired leases. Arguments: max_attempts, silence_ms, grace_ms, errors (job error as JSON, by queue),
-- limit. Returns id and queue of each job that waits again. If this was not called for silence_ms, the store or all
-- workers were unavailable and leases could not be renewed: they are extended by grace_ms instead, once.
local expired = redis.call('ZRANGEBYSCORE', leases_key, '-inf', now, 'LIMIT', 0, args.limit)
local last_ms = redis.call('GET', prefix .. 'leases:looked_ms')
local was_silent = last_ms and now - last_ms > args.silence_ms
-- The next call extends the rest.
if not was_silent or #expired < args.limit then redis.call('SET', prefix .. 'leases:looked_ms', integer_text(now)) end
if was_silent then
  for _, id in ipairs(expired) do set_lease(id, args.grace_ms) end
  return {}
end
local waiting = {}
for _, id in ipairs(expired) do
  local queue = get(id, 'queue')
  count('leases_lost', queue)
  if cancel_requested(id) then
    end_job(id, 'canceled')
  elseif tonumber(get(id, 'attempts')) >= args.max_attempts then
    end_job(id, 'failed')
    set(id, 'error', args.errors[queue])
  else
    requeue(id, queue)
    waiting[#waiting + 1] = id
    waiting[#waiting + 1] = queue
  end
  emit(id, 'state')
end
return waiting
