-- requires: records, uploads
-- Returns what `limit` of the caller's jobs and as many of its uploads store, oldest first: bytes of inputs, uploads, their
-- maximum bytes; and whether these were the last ones. Arguments: caller, offset (of both), limit.
local jobs, uploads_of = jobs_key(args.caller), caller_uploads_key(args.caller)
local input_bytes, uploads, upload_bytes, ends = 0, 0, 0, args.offset + args.limit
for _, id in ipairs(redis.call('ZRANGE', jobs, args.offset, ends - 1)) do
  input_bytes = input_bytes + (string.match(get(id, 'inputs') or '', '"size_bytes":(%d+)') or 0)
end
for _, id in ipairs(redis.call('ZRANGE', uploads_of, args.offset, ends - 1)) do
  local description = redis.call('HGET', uploads_key, id)
  if description then uploads, upload_bytes = uploads + 1, upload_bytes + cjson.decode(description).max_bytes end
end
local is_last = math.max(redis.call('ZCARD', jobs), redis.call('ZCARD', uploads_of)) <= ends
return {input_bytes, uploads, upload_bytes, is_last and 1 or 0}
