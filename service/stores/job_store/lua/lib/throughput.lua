-- requires: records
-- Durations of the last jobs of each kind, and the time estimates made from them.
local num_samples = 50
local function throughput_key(kind) return prefix .. 'pace:' .. kind end

-- Returns ms per unit, ms per job, mean relative error of past estimates (nil: none yet), number of estimates; nil
-- before any job ended.
local function throughput(kind)
  local means = redis.call('HMGET', throughput_key(kind) .. ':means', 'per_unit', 'per_job', 'error', 'estimates')
  if not means[1] then return nil end
  return tonumber(means[1]), tonumber(means[2]), means[3] and tonumber(means[3]) or nil, tonumber(means[4])
end

-- Means are computed when a job ends, so that reading a job is cheap.
local function update_means(key)
  local total_ms, units, jobs, errors, estimates = 0, 0, 0, 0, 0
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local size, took, expected = entry:match('^(%d+):(%d+):(%d*)$')
    total_ms, units, jobs = total_ms + took, units + size, jobs + 1
    if expected ~= '' then
      errors = errors + math.abs(expected - took) / math.max(1, tonumber(took))
      estimates = estimates + 1
    end
  end
  local means = {'per_unit', tostring(total_ms / math.max(1, units)), 'per_job', tostring(total_ms / jobs), 'estimates', estimates}
  if estimates > 0 then
    means[#means + 1] = 'error'
    means[#means + 1] = tostring(errors / estimates)
  end
  redis.call('HSET', key .. ':means', unpack(means))
end

-- Stores the job's estimated duration, so that the estimate can be compared with the real one later.
local function store_estimate(id)
  local per_unit = throughput(get(id, 'kind'))
  if per_unit then set(id, 'estimate_ms', math.floor(per_unit * get(id, 'units'))) end
end

local function record_duration(id)
  local took = tonumber(get(id, 'prepare_ms') or 0) + tonumber(get(id, 'render_ms') or 0)
  local key = throughput_key(get(id, 'kind'))
  redis.call('LPUSH', key, get(id, 'units') .. ':' .. integer_text(took) .. ':' .. (get(id, 'estimate_ms') or ''))
  redis.call('LTRIM', key, 0, num_samples - 1)
  update_means(key)
end
