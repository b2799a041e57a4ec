-- requires: idempotency
-- Deletes an idempotency key whose request was not accepted. Arguments: caller, key, owner.
local key = idempotency_key(args.caller, args.key)
if redis.call('HGET', key, 'owner') == args.owner and not redis.call('HGET', key, 'job') then
  redis.call('DEL', key)
end
return 'ok'
