-- requires: records, leases
-- Returns held, cancel or lost, as `renew` does, without a write, so that the reply waits for no disk. Arguments: id,
-- token.
return holds_lease(args.id, args.token) and lease_status(args.id) or 'lost'
