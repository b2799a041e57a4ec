-- requires: workers
-- Registers a worker for ttl_ms. Arguments: worker, info (JSON), ready, queues, preset, ttl_ms. A ready worker is counted for
-- its queues.
redis.call('HSET', all_workers_key, args.worker, args.info)
redis.call('ZADD', alive_workers_key, now + args.ttl_ms, args.worker)
for _, queue in ipairs(args.queues) do
  for _, key in ipairs({workers_key(queue), workers_key(queue, args.preset)}) do
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    if args.ready then redis.call('ZADD', key, now + args.ttl_ms, args.worker) end
  end
end
return 'ok'
