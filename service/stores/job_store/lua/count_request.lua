-- caller, most, window in ms. Counts a request unless `most` came within the window. Replies whether it may pass, how many
-- more may, and in how many ms there will be one more. The list holds the times of the requests that passed, oldest first.
local key, most, window = prefix .. 'requests:' .. ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local at_once, gone = 100, 0
repeat
  gone = 0
  for _, ms in ipairs(redis.call('LRANGE', key, 0, at_once - 1)) do
    if tonumber(ms) > now - window then break end
    gone = gone + 1
  end
  if gone > 0 then redis.call('LPOP', key, gone) end
until gone < at_once
local had = redis.call('LLEN', key)
local passes = had < most
if passes then
  redis.call('RPUSH', key, whole(now))
  redis.call('PEXPIRE', key, window)
  had = had + 1
end
return {passes and 1 or 0, math.max(0, most - had), redis.call('LINDEX', key, 0) + window - now}
