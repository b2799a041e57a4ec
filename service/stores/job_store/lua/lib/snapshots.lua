-- requires: records, queues, leases, throughput, workers
-- A job at one moment: its record, queue position and forecast.

-- Returns, for a waiting job: ready workers (of its preset, if it names one; of the remaining queue that has the fewest), jobs waiting in the next
-- queue, leased jobs.
local function queue_context(queue, kind, preset)
  local function num_workers(name) return redis.call('ZCOUNT', workers_key(name, preset), '(' .. now, '+inf') end
  local workers, waiting_next = num_workers(queue), 0
  if queue == 'prepare' and kind == 'animate' then
    workers, waiting_next = math.min(workers, num_workers('render')), redis.call('ZCARD', waiting_key('render'))
  end
  return workers, waiting_next, redis.call('ZCARD', leases_key)
end

-- Returns the record, its position (0 is next, -1: not waiting), now, and the forecast: the job's estimate in ms, mean
-- ms of a job, mean relative error of past estimates, their number, and the queue context of a waiting job. The
-- forecast is text, since Redis truncates numbers in replies to integers.
local function snapshot(id)
  local queue = get(id, 'queue')
  local position = queue and redis.call('ZRANK', waiting_key(queue), id)
  local forecast = {}
  local per_unit, per_job, mean_error, estimates = nil, nil, nil, nil
  if queue and not is_final(get(id, 'state')) then per_unit, per_job, mean_error, estimates = throughput(get(id, 'kind')) end
  if per_unit then
    local expected = get(id, 'estimate_ms') or tostring(per_unit * get(id, 'units'))
    forecast = {expected, tostring(per_job), mean_error and tostring(mean_error) or '', tostring(estimates)}
    if position then
      for _, number in ipairs({queue_context(queue, get(id, 'kind'), get(id, 'preset'))}) do forecast[#forecast + 1] = tostring(number) end
    end
  end
  return {redis.call('HGETALL', job_key(id)), position or -1, now, forecast}
end
