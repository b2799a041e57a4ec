-- caller, idempotency key, owner. Gives back a key whose request was not accepted.
local key = idempotency_key(ARGV[2], ARGV[3])
if redis.call('HGET', key, 'owner') == ARGV[4] and not redis.call('HGET', key, 'job') then
  redis.call('DEL', key)
end
return 'ok'
