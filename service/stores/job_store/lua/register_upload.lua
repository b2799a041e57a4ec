-- requires: uploads, quotas
-- Registers an upload for ttl_ms. Arguments: id, caller, upload (JSON), ttl_ms, max_bytes, forms, limits, counts_bytes.
-- Its forms, and with counts_bytes its bytes, count for the caller from now on; raises QUOTA if they exceed a limit. A
-- repeated request, sent because its reply was lost, counts once.
if redis.call('HEXISTS', uploads_key, args.id) == 1 then return 'ok' end
check_quota(args.caller, args.limits, 0, args.max_bytes, 0, args.forms)
add_forms(args.caller, args.forms)
if args.counts_bytes then
  add_usage(args.caller, args.max_bytes, 0)
  redis.call('HSET', counted_key, args.id, today() .. ' ' .. integer_text(args.max_bytes))
end
redis.call('HSET', uploads_key, args.id, args.upload)
redis.call('ZADD', upload_ends_key, now + args.ttl_ms, args.id)
redis.call('ZADD', caller_uploads_key(args.caller), now, args.id)
return 'ok'
