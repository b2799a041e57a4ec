-- requires: records, leases, checkpoints, events
-- Renews a lease. Arguments: id, token, lease_ms, progress (JSON, optional). Returns held, cancel or lost.
local id = args.id
if not holds_lease(id, args.token) then return 'lost' end
set_lease(id, args.lease_ms)
if args.progress then
  count_steps(id, get(id, 'progress'), args.progress)
  set(id, 'progress', args.progress)
  emit(id, 'progress')
end
return lease_status(id)
