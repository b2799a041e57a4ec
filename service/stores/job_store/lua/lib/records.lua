-- requires: transitions
-- Job records, and the sets that list jobs by caller and state.
local function job_key(id) return prefix .. 'job:' .. id end
local function jobs_key(caller, state) return prefix .. 'jobs:' .. caller .. (state and ':' .. state or '') end

-- The jobs of all callers are listed as if they were this one's, too; no caller can have this name.
local everyone = '*'

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

-- Returns the sets that list this job.
local function index_keys(id)
  local keys, state, metadata = {}, get(id, 'state'), option(id, 'metadata') or {}
  for _, owner in ipairs({get(id, 'caller'), everyone}) do
    keys[#keys + 1] = jobs_key(owner)
    keys[#keys + 1] = jobs_key(owner, state)
    for name, value in pairs(metadata) do keys[#keys + 1] = metadata_key(owner, name .. '=' .. value) end
  end
  return keys
end

local function add_to_index(id)
  local created_ms = get(id, 'created_ms')
  for _, key in ipairs(index_keys(id)) do redis.call('ZADD', key, created_ms, id) end
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
  local created_ms = get(id, 'created_ms')
  for _, owner in ipairs({get(id, 'caller'), everyone}) do
    redis.call('ZREM', jobs_key(owner, from), id)
    redis.call('ZADD', jobs_key(owner, to), created_ms, id)
  end
end

-- Adds the milliseconds since `since_field` to `total_field` and deletes `since_field`.
local function add_elapsed(id, since_field, total_field)
  local since = get(id, since_field)
  if since then
    redis.call('HINCRBY', job_key(id), total_field, now - tonumber(since))
    redis.call('HDEL', job_key(id), since_field)
  end
end
