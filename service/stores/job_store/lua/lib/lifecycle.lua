-- requires: records, schedules, queues, refunds, leases, throughput, events
-- Ending jobs and leases.

-- Ends the job, without an event: the caller writes its other fields first.
local function end_job(id, state)
  transition(id, state)
  redis.call('ZREM', deadlines_key, id)
  redis.call('ZREM', turns_key(class_of(id), get(id, 'caller')), id)
  if dequeue(id) and not get(id, 'started_ms') then refund(id) end
  add_elapsed(id, 'waiting_since_ms', 'waited_ms')
  drop_lease(id)
  local expires = now + option(id, 'ttl_s') * 1000
  redis.call('ZADD', expiries_key, expires, id)
  set(id, 'ended_ms', now, 'expires_ms', integer_text(expires))
  if redis.call('HDEL', job_key(id), 'checkpoint') == 1 then redis.call('ZADD', obsolete_checkpoints_key, now, id) end
  if state == 'succeeded' then record_duration(id) end
end

local function end_canceled(id)
  end_job(id, 'canceled')
  emit(id, 'state')
end

-- The job keeps its virtual start time, so it does not lose its place.
local function requeue(id, queue)
  transition(id, 'queued')
  drop_lease(id)
  set(id, 'queue', queue, 'hinted_ms', now, 'waiting_since_ms', now)
  enqueue(id, queue)
end

-- First step of a script by which a worker ends its lease. Returns the script's reply if nothing else is to be done,
-- else nil. A worker whose reply was lost sends its write again: the field `closed` (token and outcome of the last
-- lease that its own worker ended) shows that the write was done.
local function close_lease(id, token, outcome)
  local closed = token .. ':' .. outcome
  if not holds_lease(id, token) then return get(id, 'closed') == closed and 'held' or 'lost' end
  set(id, 'closed', closed)
  if cancel_requested(id) then
    end_canceled(id)
    return 'cancel'
  end
end
