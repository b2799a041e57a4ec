-- requires: records
-- Durations of the last jobs of each kind, and the time estimates made from them: a job takes `base` ms and `per_unit`
-- ms for each unit of its size.
local num_samples = 50
-- Weight of a job in the fit, compared with the one after it: the load of a machine changes.
local memory = 0.8
-- Sizes must differ by this much (variance over mean square) before a base is derived from them.
local min_spread = 0.05
local function throughput_key(kind) return prefix .. 'pace:' .. kind end

-- Returns per_unit, base, ms per job, mean relative error of past estimates (nil: none yet), number of estimates; nil
-- before any job ended.
local function throughput(kind)
  local names = {'per_unit', 'base', 'per_job', 'error', 'estimates'}
  local means = redis.call('HMGET', throughput_key(kind) .. ':means', unpack(names))
  if not means[1] then return nil end
  return tonumber(means[1]), tonumber(means[2] or 0), tonumber(means[3]), means[4] and tonumber(means[4]) or nil,
    tonumber(means[5])
end

-- Fits a line through sizes and durations by least squares of the relative errors. Returns its slope and its base, none of
-- them negative.
local function fit(rows)
  local w, wu, wt, wuu, wut = 0, 0, 0, 0, 0
  for i, row in ipairs(rows) do
    local u, t = unpack(row)
    local weight = memory ^ (i - 1) / (t * t)
    w, wu, wt = w + weight, wu + weight * u, wt + weight * t
    wuu, wut = wuu + weight * u * u, wut + weight * u * t
  end
  local spread = w * wuu - wu * wu
  local slope = (w * wut - wu * wt) / spread
  local base = (wt - slope * wu) / w
  if spread <= min_spread * w * wuu or base <= 0 then return wut / wuu, 0 end
  if slope <= 0 then return 0, wt / w end
  return slope, base
end

-- Means are computed when a job ends, so that reading a job is cheap.
local function update_means(key)
  local total_ms, errors, estimates, rows = 0, 0, 0, {}
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local size, took, expected = entry:match('^(%d+):(%d+):(%d*)$')
    rows[#rows + 1] = {math.max(1, tonumber(size)), math.max(1, tonumber(took))}
    total_ms = total_ms + took
    if expected ~= '' then
      errors = errors + math.abs(expected - took) / math.max(1, tonumber(took))
      estimates = estimates + 1
    end
  end
  local per_unit, base = fit(rows)
  local means = {'per_unit', tostring(per_unit), 'base', tostring(base), 'per_job', tostring(total_ms / #rows), 'estimates',
    estimates}
  if estimates > 0 then
    means[#means + 1] = 'error'
    means[#means + 1] = tostring(errors / estimates)
  end
  redis.call('HSET', key .. ':means', unpack(means))
end

-- Stores the job's estimated duration, so that the estimate can be compared with the real one later.
local function store_estimate(id)
  local per_unit, base = throughput(get(id, 'kind'))
  if per_unit then set(id, 'estimate_ms', math.floor(base + per_unit * get(id, 'units'))) end
end

local function record_duration(id)
  local took = tonumber(get(id, 'prepare_ms') or 0) + tonumber(get(id, 'render_ms') or 0)
  local key = throughput_key(get(id, 'kind'))
  redis.call('LPUSH', key, get(id, 'units') .. ':' .. integer_text(took) .. ':' .. (get(id, 'estimate_ms') or ''))
  redis.call('LTRIM', key, 0, num_samples - 1)
  update_means(key)
end
