-- job, number. The message is due now, with all tries before it; its receiver is no longer disabled.
local name = ARGV[2] .. ':' .. ARGV[3]
local key = delivery_key(name)
local caller, url = unpack(redis.call('HMGET', key, 'caller', 'url'))
if not caller then return {} end
redis.call('HDEL', disabled_key(caller), url)
redis.call('HSET', key, 'state', 'pending', 'tries', 0, 'due_ms', now)
redis.call('HINCRBY', key, 'claim', 1)
set_due(caller, name, now)
return {redis.call('HGETALL', key), redis.call('LRANGE', key .. ':attempts', 0, -1)}
