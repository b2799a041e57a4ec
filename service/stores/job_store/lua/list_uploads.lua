-- requires: uploads
-- Returns up to `limit` uploads of `caller` that have not expired, newest first, each as description, creation time and
-- end. Arguments: caller, limit, after_ms and after_id (the last upload of the page before).
local key, found = caller_uploads_key(args.caller), {}
local to, after_ms = args.after_ms or '+inf', args.after_ms
local ties = after_ms and redis.call('ZCOUNT', key, after_ms, after_ms) or 0
local rows = redis.call('ZREVRANGEBYSCORE', key, to, '-inf', 'WITHSCORES', 'LIMIT', 0, args.limit + ties)
for i = 1, #rows, 2 do
  local id, created = rows[i], rows[i + 1]
  local ends = redis.call('ZSCORE', upload_ends_key, id)
  local is_after = not after_ms or tonumber(created) < after_ms or id < args.after_id
  if is_after and ends and tonumber(ends) > now and #found < args.limit then
    found[#found + 1] = {redis.call('HGET', uploads_key, id), created, ends}
  end
end
return found
