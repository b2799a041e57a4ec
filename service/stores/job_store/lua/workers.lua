-- requires: workers
-- Returns descriptions of live workers and deletes the others.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', alive_workers_key, '-inf', now)) do
  redis.call('ZREM', alive_workers_key, id)
  redis.call('HDEL', all_workers_key, id)
end
return redis.call('HVALS', all_workers_key)
