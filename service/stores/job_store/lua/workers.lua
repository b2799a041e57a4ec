-- Descriptions of the workers that are alive; forgets the others.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'workers:alive', '-inf', now)) do
  redis.call('ZREM', prefix .. 'workers:alive', id)
  redis.call('HDEL', prefix .. 'workers', id)
end
return redis.call('HVALS', prefix .. 'workers')
