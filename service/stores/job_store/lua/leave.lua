-- worker. It is gone in good order.
local told = redis.call('HGET', prefix .. 'workers', ARGV[2])
for _, queue in ipairs(told and cjson.decode(told).queues or {}) do redis.call('ZREM', serving_key(queue), ARGV[2]) end
redis.call('HDEL', prefix .. 'workers', ARGV[2])
redis.call('ZREM', prefix .. 'workers:alive', ARGV[2])
return 'ok'
