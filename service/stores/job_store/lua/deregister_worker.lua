-- requires: workers
-- Removes a worker that shuts down. Arguments: worker.
local info = redis.call('HGET', all_workers_key, args.worker)
info = info and cjson.decode(info) or {queues = {}}
for _, queue in ipairs(info.queues) do
  redis.call('ZREM', workers_key(queue), args.worker)
  redis.call('ZREM', workers_key(queue, info.preset), args.worker)
end
redis.call('HDEL', all_workers_key, args.worker)
redis.call('ZREM', alive_workers_key, args.worker)
return 'ok'
