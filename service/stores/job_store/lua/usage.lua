-- requires: records, quotas
-- Returns what `caller` uses: requests of the last window_ms, input bytes and driving ms of today, the end of today, and
-- then the number of jobs in each of `states`.
local requests, key = 0, prefix .. 'requests:' .. args.caller
for _, ms in ipairs(redis.call('LRANGE', key, 0, -1)) do
  if tonumber(ms) > now - args.window_ms then requests = requests + 1 end
end
local today_used = redis.call('HMGET', usage_key(args.caller), 'bytes', 'ms')
local reply = {requests, tonumber(today_used[1] or 0), tonumber(today_used[2] or 0), (math.floor(now / day_ms) + 1) * day_ms}
for _, state in ipairs(args.states) do reply[#reply + 1] = redis.call('ZCARD', jobs_key(args.caller, state)) end
return reply
