-- requires: records, queues, leases, throughput, workers
-- A job at one moment: its record, queue position and forecast.

-- Jobs before a waiting one whose durations are estimated one by one; further ones count as average jobs.
local max_estimated = 20

-- Returns the expected ms of the jobs before a waiting one, per job, where a leased one counts half; nil if there are
-- none. A leased job counts with what is left of it.
local function ms_per_job_before(queue, kind, position)
  local total, jobs = 0, 0
  local function add(ids, jobs_in_all, is_leased)
    local sum, estimated = 0, 0
    for _, id in ipairs(ids) do
      local expected = expected_ms(id)
      local since = is_leased and get(id, 'taken_ms')
      if expected then
        sum = sum + math.max(0, expected - worked_ms(id) - (since and now - since or 0))
        estimated = estimated + 1
      end
    end
    if estimated == 0 then return end
    total, jobs = total + sum / estimated * jobs_in_all, jobs + jobs_in_all * (is_leased and 0.5 or 1)
  end
  local function first(key, jobs_in_all)
    return redis.call('ZRANGE', key, 0, math.min(jobs_in_all, max_estimated) - 1)
  end
  if position > 0 then add(first(waiting_key(queue), position), position) end
  if queue == 'prepare' and kind == 'animate' then
    local waiting_next = redis.call('ZCARD', waiting_key('render'))
    if waiting_next > 0 then add(first(waiting_key('render'), waiting_next), waiting_next) end
  end
  local leased = redis.call('ZCARD', leases_key)
  if leased > 0 then add(first(leases_key, leased), leased, true) end
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
