-- requires: records, leases
-- Stores the checkpoint from which the job's render can resume. Arguments: id, token, checkpoint (JSON). Emits no
-- event: callers see the checkpoint's progress when the job resumes. Returns held, cancel or lost.
if not holds_lease(args.id, args.token) then return 'lost' end
set(args.id, 'checkpoint', args.checkpoint)
return lease_status(args.id)
