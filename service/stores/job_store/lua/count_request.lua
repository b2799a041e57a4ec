-- Counts a request unless the caller's limit within the window is reached. Arguments: caller, limit, window_ms,
-- check_only (counts nothing). Returns whether the request is allowed, how many more are, and the ms until one more is.
-- The list holds the times of allowed requests, oldest first.
local key, batch, expired = prefix .. 'requests:' .. args.caller, 100, 0
repeat
  expired = 0
  for _, ms in ipairs(redis.call('LRANGE', key, 0, batch - 1)) do
    if tonumber(ms) > now - args.window_ms then break end
    expired = expired + 1
  end
  if expired > 0 then redis.call('LPOP', key, expired) end
until expired < batch
local requests = redis.call('LLEN', key)
local allowed = requests < args.limit
if allowed and not args.check_only then
  redis.call('RPUSH', key, integer_text(now))
  redis.call('PEXPIRE', key, args.window_ms)
  requests = requests + 1
end
local oldest = redis.call('LINDEX', key, 0) or now
return {allowed and 1 or 0, math.max(0, args.limit - requests), oldest + args.window_ms - now}
