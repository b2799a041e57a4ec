-- requires: records, queues, leases, throughput, workers
-- A job at one moment: its record, queue position and forecast.

-- Jobs of a queue whose durations are estimated one by one; further ones count as their mean.
local max_estimated = 10

-- Returns the ms that is left of each of the first jobs in a sorted set; computed once in a script.
local ms_left_by_key = {}
local function ms_left(key)
  if ms_left_by_key[key] then return ms_left_by_key[key] end
  local left, rates = {}, {}
  for _, id in ipairs(redis.call('ZRANGE', key, 0, max_estimated - 1)) do
    local fields = redis.call('HMGET', job_key(id), 'kind', 'units', 'prepare_ms', 'render_ms', 'taken_ms')
    local kind, units, prepare_ms, render_ms, taken_ms = unpack(fields)
    rates[kind] = rates[kind] or {throughput(kind)}
    local per_unit, base = unpack(rates[kind])
    if per_unit then
      local worked_ms = (prepare_ms or 0) + (render_ms or 0) + (taken_ms and now - taken_ms or 0)
      left[#left + 1] = math.max(0, base + per_unit * units - worked_ms)
    end
  end
  ms_left_by_key[key] = left
  return left
end

-- Returns the expected ms of the jobs before a waiting one, per job, where a leased one counts half; nil if there are
-- none. A leased job counts with what is left of it.
local function ms_per_job_before(queue, kind, position)
  local total, jobs = 0, 0
  local function add(key, all, share)
    local left, sum = ms_left(key), 0
    local estimated = math.min(all, #left)
    if estimated == 0 then return end
    for i = 1, estimated do sum = sum + left[i] end
    total, jobs = total + sum / estimated * all, jobs + share * all
  end
  add(waiting_key(queue), position, 1)
  if queue == 'prepare' and kind == 'animate' then
    add(waiting_key('render'), redis.call('ZCARD', waiting_key('render')), 1)
  end
  add(leases_key, redis.call('ZCARD', leases_key), 0.5)
  if jobs > 0 then return total / jobs end
end

-- Returns, for a waiting job: ready workers (of its preset, if it names one; of the remaining queue that has the
-- fewest), jobs waiting in the next queue, leased jobs.
local function queue_context(queue, kind, preset)
  local function num_workers(name) return redis.call('ZCOUNT', workers_key(name, preset), '(' .. now, '+inf') end
  local workers, waiting_next = num_workers(queue), 0
  if queue == 'prepare' and kind == 'animate' then
    workers, waiting_next = math.min(workers, num_workers('render')), redis.call('ZCARD', waiting_key('render'))
  end
  return workers, waiting_next, redis.call('ZCARD', leases_key)
end

-- Returns the record, its position (0 is next, -1: not waiting), now, and the forecast: the job's estimate in ms, mean
-- ms of the jobs before it (of any job if there are none), mean relative error of past estimates, their number, and the
-- queue context of a waiting job. The forecast is text, since Redis truncates numbers in replies to integers.
local function snapshot(id)
  local queue = get(id, 'queue')
  local position = queue and redis.call('ZRANK', waiting_key(queue), id)
  local forecast = {}
  local kind, per_unit, base, per_job, mean_error, estimates = get(id, 'kind'), nil, nil, nil, nil, nil
  if queue and not is_final(get(id, 'state')) then per_unit, base, per_job, mean_error, estimates = throughput(kind) end
  if per_unit then
    local before = position and ms_per_job_before(queue, kind, position) or per_job
    local expected, error_text = base + per_unit * get(id, 'units'), mean_error and tostring(mean_error) or ''
    forecast = {tostring(expected), tostring(before), error_text, tostring(estimates)}
    if position then
      for _, number in ipairs({queue_context(queue, kind, get(id, 'preset'))}) do forecast[#forecast + 1] = tostring(number) end
    end
  end
  return {redis.call('HGETALL', job_key(id)), position or -1, now, forecast}
end
