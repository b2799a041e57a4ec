-- requires: transitions
-- Job records, and the sets that list jobs by caller and state.
local function job_key(id) return prefix .. 'job:' .. id end
local function jobs_key(caller, state) return prefix .. 'jobs:' .. caller .. (state and ':' .. state or '') end

local function get(id, field) return redis.call('HGET', job_key(id), field) end
local function set(id, ...) redis.call('HSET', job_key(id), ...) end
local function set_fields(id, fields)
  for name, value in pairs(fields) do set(id, name, value) end
end

local function option(id, name)
  local value = cjson.decode(get(id, 'options'))[name]
  return value ~= cjson.null and value or nil
end

-- Returns the caller's set of jobs with this metadata, `name=value`.
local function metadata_key(caller, pair) return jobs_key(caller, 'metadata:' .. pair) end

-- Returns the sets of jobs that list this job by its metadata.
local function metadata_keys(id)
  local keys = {}
  for name, value in pairs(option(id, 'metadata') or {}) do
    keys[#keys + 1] = metadata_key(get(id, 'caller'), name .. '=' .. value)
  end
  return keys
end

local function cancel_requested(id) return get(id, 'cancel_requested') == '1' end

-- An ended job's state has no transitions.
local function is_final(state) return next(transitions[state]) == nil end

-- The only place where a job's state changes. An illegal change is refused before anything is written.
local function transition(id, to)
  local from = get(id, 'state')
  if not (from and transitions[from][to]) then
    error({err = 'ILLEGAL job ' .. id .. ' cannot go from ' .. tostring(from) .. ' to ' .. to})
  end
  set(id, 'state', to)
  local caller = get(id, 'caller')
  redis.call('ZREM', jobs_key(caller, from), id)
  redis.call('ZADD', jobs_key(caller, to), get(id, 'created_ms'), id)
end

-- Adds the milliseconds since `since_field` to `total_field` and deletes `since_field`.
local function add_elapsed(id, since_field, total_field)
  local since = get(id, since_field)
  if since then
    redis.call('HINCRBY', job_key(id), total_field, now - tonumber(since))
    redis.call('HDEL', job_key(id), since_field)
  end
end
