-- requires: deliveries, webhook_secrets
-- Claims due messages for claim_ms. Arguments: limit, claim_ms, max_per_caller, sending (number of messages that this
-- gateway is sending, by caller). Returns each message with its attempts so far and the caller's signing secrets. A
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
-- The callers that have waited longest. Besides those with messages being sent, there are enough of them for each claim.
local num_callers = args.limit
for _ in pairs(sending) do num_callers = num_callers + 1 end
local callers = redis.call('ZRANGEBYSCORE', due_callers_key, '-inf', now, 'LIMIT', 0, num_callers)
local claimed = {}

-- Returns the caller with the fewest messages being sent, if below the limit; of equals, the one that has waited
-- longest.
local function next_caller()
  local fewest, found = args.max_per_caller, nil
  for _, caller in ipairs(callers) do
    local num_sending = sending[caller] or 0
    if num_sending < fewest then fewest, found = num_sending, caller end
  end
  return found
end

local function claim(caller, name)
  local key = delivery_key(name)
  local url, state = unpack(redis.call('HMGET', key, 'url', 'state'))
  -- Erased, or settled by an earlier release that keeps it elsewhere.
  if state ~= 'pending' then return clear_due(caller, name) end
  if redis.call('HEXISTS', disabled_key(caller), url) == 1 then return settle(name, 'disabled') end
  set_due(caller, name, now + args.claim_ms)
  redis.call('HINCRBY', key, 'claim', 1)
  redis.call('HINCRBY', key, 'tries', 1)
  sending[caller] = (sending[caller] or 0) + 1
  claimed[#claimed + 1] = {redis.call('HGETALL', key), read_attempts(key), signing_secrets(caller)}
end

for _ = 1, args.limit do
  local caller = next_caller()
  if not caller then break end
  local name = redis.call('ZRANGE', due_key(caller), 0, 0)[1]
  if name then claim(caller, name) else update_first_due(caller) end
  local first = redis.call('ZSCORE', due_callers_key, caller)
  -- Nothing else of this caller is due: skip it from now on.
  if not first or tonumber(first) > now then sending[caller] = args.max_per_caller end
end
return claimed
