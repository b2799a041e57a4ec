-- requires: records, schedules, fair_queueing, lanes, queues, leases, checkpoints, throughput, events
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
local function is_supported(contract, preset)
  return contract <= args.contract and (preset == '' or preset == args.preset)
end
local function first_supported()
  if not is_in_order(queue) then check_lanes(queue, 100) end
  for _, lane in ipairs(lanes_of(queue)) do check_head(queue, lane) end
  local first, first_turn
  for _, lane in ipairs(lanes_of(queue)) do
    local job, turn = unpack(redis.call('ZRANGE', lane.key, 0, 0, 'WITHSCORES'))
    turn = tonumber(turn)
    if job and is_supported(lane.contract, lane.preset) then
      if not first or turn < first_turn or (turn == first_turn and job < first) then first, first_turn = job, turn end
    end
  end
  return first
end
local id = args.id
if not id then
  id = first_supported()
elseif not is_supported(tonumber(get(id, 'contract') or 1), get(id, 'preset') or '') then
  return {}
end
if not id or not is_waiting(id, queue) then
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
