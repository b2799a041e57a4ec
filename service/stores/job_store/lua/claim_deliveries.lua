-- limit, claim in ms, share of a caller, then callers and how many of their messages the gateway is sending. Messages that
-- are due: each with its attempts so far and the caller's secrets. One whose receiver said that it is gone ends here.
local limit, claim_ms, share = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local sending = {}
for i = 5, #ARGV, 2 do sending[ARGV[i]] = tonumber(ARGV[i + 1]) end

-- Earlier releases kept `deliveries:due` instead of `deliveries:callers`: messages at first, then callers as here. Parts of them
-- may run beside this one, so whatever they put in is taken over at each claim.
local function take_over(earlier_key)
  local earlier = redis.call('ZRANGE', earlier_key, 0, -1, 'WITHSCORES')
  for i = 1, #earlier, 2 do
    local caller = redis.call('HGET', delivery_key(earlier[i]), 'caller')
    if caller then redis.call('ZADD', due_of(caller), earlier[i + 1], earlier[i]) end
    follow_first(caller or earlier[i])
  end
  redis.call('DEL', earlier_key)
end
take_over(prefix .. 'deliveries:due')
local waiting, claimed = redis.call('ZRANGEBYSCORE', due_key, '-inf', now), {}

-- Of the callers that have less than their share, the one that has least; of equals, who waits longest.
local function next_caller()
  local least, found = share, nil
  for _, caller in ipairs(waiting) do
    local has = sending[caller] or 0
    if has < least then least, found = has, caller end
  end
  return found
end

local function claim(caller, name)
  local key = delivery_key(name)
  local url, state = unpack(redis.call('HMGET', key, 'url', 'state'))
  -- Erased, or settled by a release that looked for it elsewhere.
  if state ~= 'pending' then return drop_due(caller, name) end
  if redis.call('HEXISTS', disabled_key(caller), url) == 1 then return settle(name, 'disabled') end
  set_due(caller, name, now + claim_ms)
  redis.call('HINCRBY', key, 'claim', 1)
  redis.call('HINCRBY', key, 'tries', 1)
  sending[caller] = (sending[caller] or 0) + 1
  claimed[#claimed + 1] = {redis.call('HGETALL', key), redis.call('LRANGE', key .. ':attempts', 0, -1), secrets(caller)}
end

for _ = 1, limit do
  local caller = next_caller()
  if not caller then break end
  local name = redis.call('ZRANGE', due_of(caller), 0, 0)[1]
  if name then claim(caller, name) else follow_first(caller) end
  local first = redis.call('ZSCORE', due_key, caller)
  -- Nothing more of theirs is due: they have enough.
  if not first or tonumber(first) > now then sending[caller] = share end
end
return claimed
