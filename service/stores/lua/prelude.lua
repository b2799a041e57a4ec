-- Stands before every script. KEYS[1]: prefix of all keys. ARGV[1]: now in ms, or '' for the server's own clock, which is
-- the one clock that all workers share. ARGV[2...]: the operation's own arguments.
-- `legal` is generated from service.contract.states.TRANSITIONS.
local prefix = KEYS[1]

local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or server_ms()

local function job_key(id) return prefix .. 'job:' .. id end
local function waiting_key(queue) return prefix .. 'waiting:' .. queue end
local leases_key = prefix .. 'leases'

local function get(id, field) return redis.call('HGET', job_key(id), field) end
local function set(id, ...) redis.call('HSET', job_key(id), ...) end

-- The one place where a job's state changes. An illegal change is refused before anything is written.
local function move(id, to)
  local from = get(id, 'state')
  if not (from and legal[from][to]) then
    error({err = 'ILLEGAL job ' .. id .. ' cannot go from ' .. tostring(from) .. ' to ' .. to})
  end
  set(id, 'state', to)
end

-- Whether this token is the one that holds the job's lease.
local function holds(id, token)
  return redis.call('ZSCORE', leases_key, id) ~= false and get(id, 'token') == token
end

local function drop_lease(id)
  redis.call('ZREM', leases_key, id)
  redis.call('HDEL', job_key(id), 'worker')
end

local function finish(id, to)
  move(id, to)
  redis.call('ZREM', waiting_key(get(id, 'queue')), id)
  drop_lease(id)
  set(id, 'ended_ms', now)
end

-- Waiting jobs stand in the order in which they were made, so that one that comes back does not lose its place.
local function wait_in(id, queue)
  move(id, 'queued')
  drop_lease(id)
  set(id, 'queue', queue, 'hinted_ms', now)
  redis.call('ZADD', waiting_key(queue), get(id, 'created_ms'), id)
end

local function cancel_requested(id) return get(id, 'cancel_requested') == '1' end

-- The record and its place among those that wait (0 is next, -1 when it does not wait).
local function placed(id)
  local queue = get(id, 'queue')
  local place = queue and redis.call('ZRANK', waiting_key(queue), id)
  return {redis.call('HGETALL', job_key(id)), place or -1}
end
