-- requires: records
-- Leases. The fencing token in the record is raised with each claim, so an old token cannot write.
local leases_key = prefix .. 'leases'

local function is_leased(id) return redis.call('ZSCORE', leases_key, id) ~= false end
local function holds_lease(id, token) return is_leased(id) and get(id, 'token') == token end
local function set_lease(id, lease_ms) redis.call('ZADD', leases_key, now + lease_ms, id) end

local function drop_lease(id)
  redis.call('ZREM', leases_key, id)
  redis.call('HDEL', job_key(id), 'worker')
  add_elapsed(id, 'taken_ms', get(id, 'queue') .. '_ms')
end

-- The reply about a lease that the worker holds.
local function lease_status(id) return cancel_requested(id) and 'cancel' or 'held' end
