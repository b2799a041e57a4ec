-- requires: deliveries
-- Returns the messages of job `id`, oldest first, each with its attempts.
local found = {}
for n = 1, redis.call('LLEN', deliveries_key(args.id)) do
  local key = delivery_key(delivery_name(args.id, n))
  local fields = redis.call('HGETALL', key)
  if #fields > 0 then found[#found + 1] = {fields, read_attempts(key)} end
end
return found
