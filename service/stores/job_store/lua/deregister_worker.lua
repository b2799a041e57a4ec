-- requires: workers
-- Removes a worker that shuts down. Arguments: worker.
local info = redis.call('HGET', all_workers_key, args.worker)
for _, queue in ipairs(info and cjson.decode(info).queues or {}) do redis.call('ZREM', workers_key(queue), args.worker) end
redis.call('HDEL', all_workers_key, args.worker)
redis.call('ZREM', alive_workers_key, args.worker)
return 'ok'
