-- requires: records, quotas, uploads
-- Returns what `caller` uses: requests of the last window_ms, input bytes and driving ms of today, the end of today,
-- stored bytes of inputs, uploads, their maximum bytes, and then the number of jobs in each of `states`.
local requests, key = 0, prefix .. 'requests:' .. args.caller
for _, ms in ipairs(redis.call('LRANGE', key, 0, -1)) do
  if tonumber(ms) > now - args.window_ms then requests = requests + 1 end
end
local today_used = redis.call('HMGET', usage_key(args.caller), 'bytes', 'ms')
local input_bytes, upload_bytes, uploads = 0, 0, 0
for _, id in ipairs(redis.call('ZRANGE', jobs_key(args.caller), 0, -1)) do
  input_bytes = input_bytes + (string.match(get(id, 'inputs') or '', '"size_bytes":(%d+)') or 0)
end
for _, id in ipairs(redis.call('ZRANGE', caller_uploads_key(args.caller), 0, -1)) do
  local description = redis.call('HGET', uploads_key, id)
  if description then uploads, upload_bytes = uploads + 1, upload_bytes + cjson.decode(description).max_bytes end
end
local reply = {requests, tonumber(today_used[1] or 0), tonumber(today_used[2] or 0), (math.floor(now / day_ms) + 1) * day_ms, input_bytes,
  uploads, upload_bytes}
for _, state in ipairs(args.states) do reply[#reply + 1] = redis.call('ZCARD', jobs_key(args.caller, state)) end
return reply
