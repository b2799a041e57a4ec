-- requires: workers
-- Registers a worker for ttl_ms. Arguments: worker, info (JSON), ready, queues, ttl_ms. A ready worker is counted for
-- its queues.
redis.call('HSET', all_workers_key, args.worker, args.info)
redis.call('ZADD', alive_workers_key, now + args.ttl_ms, args.worker)
for _, queue in ipairs(args.queues) do
  redis.call('ZREMRANGEBYSCORE', workers_key(queue), '-inf', now)
  if args.ready then redis.call('ZADD', workers_key(queue), now + args.ttl_ms, args.worker) end
end
return 'ok'
