-- id. A waiting job ends at once; a leased one is asked to stop, and its worker told; an ended one stays as it is.
local id = ARGV[2]
local state = get(id, 'state')
if state == 'queued' then
  finish(id, 'canceled')
  emit(id, 'state')
elseif redis.call('ZSCORE', leases_key, id) ~= false then
  if not cancel_requested(id) then
    set(id, 'cancel_requested', '1')
    emit(id, 'cancel')
  end
  redis.call('PUBLISH', prefix .. 'cancels', id)
end
return redis.call('HGETALL', job_key(id))
