-- requires: records
-- The outbox of webhooks. Each caller has a set of messages by due time. Callers are listed by their first message, so
-- that a caller with thousands of messages costs no more to skip than a caller with one, and by level: 0 if their last
-- attempt ended soon, 1 if there was none, one more for each slow attempt. All callers are in the list of level 1,
-- `deliveries:callers`, which earlier releases have alone; those of other levels are due there an hour later.
local function deliveries_key(id) return prefix .. 'deliveries:' .. id end
local function delivery_key(name) return prefix .. 'delivery:' .. name end
local function delivery_name(id, n) return id .. ':' .. integer_text(n) end
local function disabled_key(caller) return prefix .. 'webhooks:disabled:' .. caller end
local all_callers_key, new_level, hour_ms = prefix .. 'deliveries:callers', 1, 3600000
local function callers_key(level) return level == new_level and all_callers_key or all_callers_key .. ':' .. level end
local levels_key = prefix .. 'webhooks:levels'
local function level_of(caller) return tonumber(redis.call('HGET', levels_key, caller) or new_level) end
local function due_key(caller) return prefix .. 'deliveries:due:' .. caller end

local function read_attempts(key) return redis.call('LRANGE', key .. ':attempts', 0, -1) end

local function update_first_due(caller)
  local level, due_ms = level_of(caller), redis.call('ZRANGE', due_key(caller), 0, 0, 'WITHSCORES')[2]
  if not due_ms then
    redis.call('ZREM', all_callers_key, caller)
    redis.call('ZREM', callers_key(level), caller)
    return
  end
  if level ~= new_level then redis.call('ZADD', all_callers_key, math.max(due_ms, now + hour_ms), caller) end
  redis.call('ZADD', callers_key(level), due_ms, caller)
end

local function set_level(caller, level)
  local before = level_of(caller)
  redis.call('HSET', levels_key, caller, level)
  if before == level then return end
  if before ~= new_level then redis.call('ZREM', callers_key(before), caller) end
  update_first_due(caller)
end

local function set_due(caller, name, ms)
  redis.call('ZADD', due_key(caller), ms, name)
  update_first_due(caller)
end

local function clear_due(caller, name)
  redis.call('ZREM', due_key(caller), name)
  update_first_due(caller)
end

local function delete_delivery(name) redis.call('DEL', delivery_key(name), delivery_key(name) .. ':attempts') end

-- Adds a message to the outbox if the job's webhook asks for this state; once per job and state.
local function queue_delivery(id, job)
  local webhook = cjson.decode(get(id, 'options') or '{}').webhook
  if type(webhook) ~= 'table' then return end
  local event, wanted = 'job.' .. get(id, 'state'), false
  for _, name in ipairs(webhook.events) do wanted = wanted or name == event end
  if not wanted or redis.call('LPOS', deliveries_key(id), event) then return end
  local n = redis.call('RPUSH', deliveries_key(id), event)
  local name = delivery_name(id, n)
  redis.call('HSET', delivery_key(name), 'id', 'msg_' .. id .. '_' .. n, 'job_id', id, 'n', n, 'event', event,
    'caller', get(id, 'caller'), 'url', webhook.url, 'state', 'pending', 'created_ms', now, 'due_ms', now,
    'placed', cjson.encode(job))
  set_due(get(id, 'caller'), name, now)
end

-- Sets a message's final state. It is kept as long as its job is.
local function settle(name, state)
  local caller, job = unpack(redis.call('HMGET', delivery_key(name), 'caller', 'job_id'))
  clear_due(caller, name)
  redis.call('HSET', delivery_key(name), 'state', state)
  redis.call('HDEL', delivery_key(name), 'due_ms')
  if redis.call('EXISTS', job_key(job)) == 0 then delete_delivery(name) end
end
