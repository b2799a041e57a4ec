-- worker, its description, time to live in ms. One that is ready stands among those that serve its queues.
redis.call('HSET', prefix .. 'workers', ARGV[2], ARGV[3])
redis.call('ZADD', prefix .. 'workers:alive', now + tonumber(ARGV[4]), ARGV[2])
local told = cjson.decode(ARGV[3])
for _, queue in ipairs(told.queues) do
  redis.call('ZREMRANGEBYSCORE', serving_key(queue), '-inf', now)
  if told.ready then redis.call('ZADD', serving_key(queue), now + tonumber(ARGV[4]), ARGV[2]) end
end
return 'ok'
