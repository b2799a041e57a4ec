-- requires: records, lanes, leases, throughput, workers
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

local function num_ready(queue, preset) return redis.call('ZCOUNT', workers_key(queue, preset), '(' .. now, '+inf') end

-- Returns how many members of a sorted set come before this score and id.
local function count_before(key, score, id)
  local low, high = redis.call('ZCOUNT', key, '-inf', '(' .. score), redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', key, middle, middle)[1] < id then low = middle + 1 else high = middle end
  end
  return low
end

-- Returns, for a job without a preset, the preset whose workers are expected to take it, and their number: of those
-- with ready workers the one that has the fewest jobs of its own before it; '' if some workers have none, nil without
-- workers.
local function expected_preset(queue, num_named)
  local free, best, best_ready = num_ready(queue), nil, 0
  for preset, jobs in pairs(num_named) do
    local ready = num_ready(queue, preset)
    free = free - ready
    if ready > 0 and (not best or jobs < num_named[best] or (jobs == num_named[best] and preset < best)) then
      best, best_ready = preset, ready
    end
  end
  if free > 0 then return '', free end
  return best, best_ready
end

-- Returns what runs before a waiting job, nil if it does not wait: rows of a set of jobs and the number of its first
-- members that do; then the preset of the workers that are expected to take the job ('': those without jobs of their own,
-- nil: any), and how many are ready. Workers run jobs of their preset and jobs without one, others are not before it.
local function jobs_before(id)
  local queue = get(id, 'queue')
  local score = queue and redis.call('ZSCORE', waiting_key(queue), id)
  if not score then return nil end
  local preset = get(id, 'preset')
  if not is_in_order(queue) then
    local rows = {{waiting_key(queue), redis.call('ZRANK', waiting_key(queue), id)}}
    return rows, preset or nil, num_ready(queue, preset or nil)
  end
  local rows, num_named, ready = {}, {}, nil
  for _, lane in ipairs(lanes_of(queue)) do
    local may_count = not preset or lane.preset == '' or lane.preset == preset
    local before = may_count and count_before(lane.key, score, id) or 0
    if before > 0 then
      rows[#rows + 1] = {lane.key, before, lane.preset}
      if lane.preset ~= '' then num_named[lane.preset] = (num_named[lane.preset] or 0) + before end
    end
  end
  if preset then ready = num_ready(queue, preset) else preset, ready = expected_preset(queue, num_named) end
  local found = {}
  for _, row in ipairs(rows) do
    if not preset or row[3] == '' or row[3] == preset then found[#found + 1] = row end
  end
  return found, preset, ready
end

-- Returns a waiting job's position, the number of jobs that run before it; -1 if it does not wait.
local function position_of(rows)
  local position = rows and 0 or -1
  for _, row in ipairs(rows or {}) do position = position + row[2] end
  return position
end

-- Returns rows, as above, of the jobs that wait for the main stage: they go before those that wait for `prepare`.
local function prepared_jobs(preset)
  if not is_in_order('render') then return {{waiting_key('render'), redis.call('ZCARD', waiting_key('render'))}} end
  local rows = {}
  for _, lane in ipairs(lanes_of('render')) do
    if not preset or lane.preset == '' or lane.preset == preset then rows[#rows + 1] = {lane.key, redis.call('ZCARD', lane.key)} end
  end
  return rows
end

-- Returns the expected ms per job of the jobs before a waiting one, where a leased one counts half; nil if there are
-- none. A leased job counts with what is left of it.
local function ms_per_job(rows)
  local total, jobs = 0, 0
  local function add(key, all, share)
    local left, sum = ms_left(key), 0
    local estimated = math.min(all, #left)
    if estimated == 0 then return end
    for i = 1, estimated do sum = sum + left[i] end
    total, jobs = total + sum / estimated * all, jobs + share * all
  end
  for _, row in ipairs(rows) do add(row[1], row[2], 1) end
  add(leases_key, redis.call('ZCARD', leases_key), 0.5)
  if jobs > 0 then return total / jobs end
end

-- Returns the record, its position (0 is next, -1: not waiting), now, and the forecast: the job's estimate in ms, mean
-- ms of the jobs before it (of any job if there are none), mean relative error of past estimates, their number, and for
-- a waiting job: ready workers (of its remaining queues the fewest), jobs that wait in the next queue, leased jobs. The
-- forecast is text, since Redis truncates numbers in replies to integers.
local function snapshot(id)
  local rows, preset, ready = jobs_before(id)
  local position, kind, queue, forecast = position_of(rows), get(id, 'kind'), get(id, 'queue'), {}
  local per_unit, base, per_job, mean_error, estimates
  if queue and not is_final(get(id, 'state')) then per_unit, base, per_job, mean_error, estimates = throughput(kind) end
  if not per_unit then return {redis.call('HGETALL', job_key(id)), position, now, forecast} end
  local expected, error_text = base + per_unit * get(id, 'units'), mean_error and tostring(mean_error) or ''
  forecast = {tostring(expected), tostring(per_job), error_text, tostring(estimates)}
  if rows then
    local waiting_next = 0
    if queue == 'prepare' and kind == 'animate' then
      for _, row in ipairs(prepared_jobs(preset)) do
        rows[#rows + 1] = row
        waiting_next = waiting_next + row[2]
      end
      ready = math.min(ready, num_ready('render', preset ~= '' and preset or nil))
    end
    forecast[2] = tostring(ms_per_job(rows) or per_job)
    for _, number in ipairs({ready, waiting_next, redis.call('ZCARD', leases_key)}) do
      forecast[#forecast + 1] = tostring(number)
    end
  end
  return {redis.call('HGETALL', job_key(id)), position, now, forecast}
end
