-- id, token, lease in ms, then fields and values to write (progress). Replies held, cancel or lost.
local id, token, lease_ms = ARGV[2], ARGV[3], tonumber(ARGV[4])
if not holds(id, token) then return 'lost' end
redis.call('ZADD', leases_key, now + lease_ms, id)
if #ARGV > 4 then
  count_steps(id, get(id, 'progress'), ARGV[6])
  set(id, unpack(ARGV, 5))
  emit(id, 'progress')
end
return cancel_requested(id) and 'cancel' or 'held'
