-- requires: records, schedules, fair_queueing, queues, leases, checkpoints, throughput, events
-- Claims the job `id`, or the queue's first job if it is absent. Arguments: queue, state while leased, worker,
-- lease_ms, progress, contract (the highest that the worker knows), preset (of the worker), request_id (new for each
-- claim); after a wake-up message: hinted (the message's job), list (the broker's), hint (a message). Returns the record;
-- nothing if the job does not wait in this queue or this worker cannot run it. A repeated request, sent because its
-- reply was lost, finds its own lease instead of claiming a second job.
local queue, request_key, request_ttl_ms = args.queue, prefix .. 'take:' .. args.request_id, 60000
local function remember(result) redis.call('SET', request_key, result, 'PX', request_ttl_ms) end
local earlier = redis.call('GET', request_key)
if earlier then
  local job, token = earlier:match('^(.*):(%d+)$')
  if not (job and holds_lease(job, token)) then return {} end
  set_lease(job, args.lease_ms)
  return redis.call('HGETALL', job_key(job))
end
-- Jobs of another preset and, while releases are mixed, of a later contract wait for a worker that can run them.
local function is_supported(job)
  local contract, preset = unpack(redis.call('HMGET', job_key(job), 'contract', 'preset'))
  return tonumber(contract or 1) <= args.contract and (not preset or preset == args.preset)
end
local function first_supported()
  for from = 0, redis.call('ZCARD', waiting_key(queue)) - 1, 100 do
    for _, job in ipairs(redis.call('ZRANGE', waiting_key(queue), from, from + 99)) do
      if is_supported(job) then return job end
    end
  end
end
local id = args.id
if not id then id = first_supported() elseif not is_supported(id) then return {} end
if not id or redis.call('ZSCORE', waiting_key(queue), id) == false then
  remember('none')
  return {}
end
-- Each waiting job has its message in its list. One that led to a job of another list is replaced.
if args.hint and hint_list(args.list, args.hinted) ~= hint_list(args.list, id) then
  redis.call('RPOP', hint_list(args.list, id))
  redis.call('LPUSH', hint_list(args.list, args.hinted), args.hint)
end
transition(id, args.state)
dequeue(id)
advance_clock(id)
set_lease(id, args.lease_ms)
redis.call('HINCRBY', job_key(id), 'token', 1)
redis.call('HINCRBY', job_key(id), 'attempts', 1)
if redis.call('HSETNX', job_key(id), 'started_ms', now) == 1 then
  local deadline_s = option(id, 'run_deadline_s')
  redis.call('ZREM', deadlines_key, id)
  if not get(id, 'estimate_ms') then store_estimate(id) end
  if deadline_s then redis.call('ZADD', deadlines_key, now + deadline_s * 1000, id) end
end
add_elapsed(id, 'waiting_since_ms', 'waited_ms')
set(id, 'worker', args.worker, 'progress', resume(id) or args.progress, 'taken_ms', now)
remember(id .. ':' .. get(id, 'token'))
emit(id, 'state')
return redis.call('HGETALL', job_key(id))
