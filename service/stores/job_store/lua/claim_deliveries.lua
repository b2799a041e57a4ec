-- requires: deliveries, webhook_secrets
-- Claims due messages for claim_ms. Arguments: places (for each level, how many messages may be claimed of it and later
-- ones), claim_ms, shares (for each level, messages of a caller that may be sent at a time), sending (number of
-- messages that this gateway is sending, by caller). Returns each message with its attempts so far, the caller's signing secrets and its level. A
-- message whose receiver answered 410 before ends here.
local sending = args.sending

-- Earlier releases kept `deliveries:due` instead of `deliveries:callers`: messages at first, later callers as here.
-- They may run at the same time as this one, so their entries are moved at each claim.
local function migrate(old_key)
  local old = redis.call('ZRANGE', old_key, 0, 99, 'WITHSCORES')
  for i = 1, #old, 2 do
    local caller = redis.call('HGET', delivery_key(old[i]), 'caller')
    if caller then redis.call('ZADD', due_key(caller), old[i + 1], old[i]) end
    update_first_due(caller or old[i])
    redis.call('ZREM', old_key, old[i])
  end
end
migrate(prefix .. 'deliveries:due')
local num_sending, last_level, claimed = 0, #args.places - 1, {}
for _ in pairs(sending) do num_sending = num_sending + 1 end

-- Returns callers of a level with due messages: besides those with messages being sent, enough for `num_free` claims. The
-- newest come first: a caller should not wait behind all those whose receivers will hang. On the last level, where
-- callers stay until a receiver answers soon, each gets its turn.
local function due_callers(level, num_free)
  local key, limit = callers_key(level), num_free + num_sending
  if level == last_level then return redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, limit) end
  local callers = {}
  for _, caller in ipairs(redis.call('ZREVRANGEBYSCORE', key, now, '-inf', 'LIMIT', 0, limit)) do
    -- Otherwise due an hour ago, or queued by an earlier release.
    if level_of(caller) == level then callers[#callers + 1] = caller else update_first_due(caller) end
  end
  return callers
end

-- Returns the caller with the fewest messages being sent, if below the limit; of equals, the first.
local function next_caller(callers, limit)
  local fewest, found = limit, nil
  for _, caller in ipairs(callers) do
    local num_open = sending[caller] or 0
    if num_open < fewest then fewest, found = num_open, caller end
  end
  return found
end

local function claim(caller, name, level)
  local key = delivery_key(name)
  local url, state = unpack(redis.call('HMGET', key, 'url', 'state'))
  -- Erased, or settled by an earlier release that keeps it elsewhere.
  if state ~= 'pending' then return clear_due(caller, name) end
  if redis.call('HEXISTS', disabled_key(caller), url) == 1 then return settle(name, 'disabled') end
  set_due(caller, name, now + args.claim_ms)
  redis.call('HINCRBY', key, 'claim', 1)
  redis.call('HINCRBY', key, 'tries', 1)
  sending[caller] = (sending[caller] or 0) + 1
  claimed[#claimed + 1] = {redis.call('HGETALL', key), read_attempts(key), signing_secrets(caller), level}
end

local function claim_of_level(level, num_free)
  local callers = due_callers(level, num_free)
  for _ = 1, num_free do
    local caller = next_caller(callers, args.shares[level + 1])
    if not caller then break end
    local first = redis.call('ZRANGE', due_key(caller), 0, 0, 'WITHSCORES')
    if first[2] and tonumber(first[2]) <= now then claim(caller, first[1], level) else update_first_due(caller) end
    local due_ms = redis.call('ZSCORE', callers_key(level), caller)
    -- Nothing else of this caller is due: skip it from now on.
    if not due_ms or tonumber(due_ms) > now then sending[caller] = math.huge end
  end
end

local free = args.places[1]
for level = 0, last_level do
  free = math.min(free, args.places[level + 1])
  local before = #claimed
  if free > 0 then claim_of_level(level, free) end
  free = free - (#claimed - before)
end
return claimed
