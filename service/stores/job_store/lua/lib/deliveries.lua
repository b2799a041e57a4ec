-- requires: records
-- The outbox of webhooks. Each caller has a set of messages by due time; `deliveries:callers` lists callers by their
-- first message, so that a caller with thousands of messages costs no more to skip than a caller with one.
local function deliveries_key(id) return prefix .. 'deliveries:' .. id end
local function delivery_key(name) return prefix .. 'delivery:' .. name end
local function delivery_name(id, n) return id .. ':' .. integer_text(n) end
local function disabled_key(caller) return prefix .. 'webhooks:disabled:' .. caller end
local due_callers_key = prefix .. 'deliveries:callers'
local function due_key(caller) return prefix .. 'deliveries:due:' .. caller end

local function read_attempts(key) return redis.call('LRANGE', key .. ':attempts', 0, -1) end

local function update_first_due(caller)
  local first = redis.call('ZRANGE', due_key(caller), 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', due_callers_key, first[2], caller) else redis.call('ZREM', due_callers_key, caller) end
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
