-- requires: quotas
-- Raises QUOTA if the caller may not have another job with this many new bytes. Arguments: caller, limits, input_bytes.
check_quota(args.caller, args.limits, 1, args.input_bytes, 1)
return 'ok'
