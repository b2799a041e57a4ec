-- requires: webhook_secrets
-- Returns the generations of the caller's secret that sign, newest first, and when they retire. Arguments: caller,
-- overlap_ms (optional: make a new generation; older ones sign for at most overlap_ms more).
if args.overlap_ms then rotate_secret(args.caller, now + args.overlap_ms) end
return signing_secrets(args.caller)
