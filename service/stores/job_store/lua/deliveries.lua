-- job. Each message with its attempts, oldest first.
local found = {}
for n = 1, redis.call('LLEN', deliveries_key(ARGV[2])) do
  local key = delivery_key(ARGV[2] .. ':' .. n)
  local pairs_ = redis.call('HGETALL', key)
  if #pairs_ > 0 then found[#found + 1] = {pairs_, redis.call('LRANGE', key .. ':attempts', 0, -1)} end
end
return found
