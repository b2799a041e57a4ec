-- requires: deliveries
-- Makes message `n` of job `id` due now, with all of its attempts left; its receiver is no longer disabled. Returns the
-- message and its attempts, nothing if there is none.
local name = delivery_name(args.id, args.n)
local key = delivery_key(name)
local caller, url = unpack(redis.call('HMGET', key, 'caller', 'url'))
if not caller then return {} end
redis.call('HDEL', disabled_key(caller), url)
redis.call('HSET', key, 'state', 'pending', 'tries', 0, 'due_ms', now)
redis.call('HINCRBY', key, 'claim', 1)
set_due(caller, name, now)
return {redis.call('HGETALL', key), read_attempts(key)}
