-- requires: records, leases, lifecycle, events
-- Cancels a job. Arguments: id. A waiting job ends; a leased job is marked and its worker notified; an ended job stays
-- as it is. Returns the record.
local id = args.id
local state = get(id, 'state')
if state == 'queued' then
  end_canceled(id)
elseif is_leased(id) then
  if not cancel_requested(id) then
    set(id, 'cancel_requested', '1')
    emit(id, 'cancel')
  end
  redis.call('PUBLISH', prefix .. 'cancels', id)
end
return redis.call('HGETALL', job_key(id))
