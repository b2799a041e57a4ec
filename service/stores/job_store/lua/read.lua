-- requires: snapshots
-- Returns the snapshot of job `id`.
return snapshot(args.id)
