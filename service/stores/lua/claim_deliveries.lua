-- limit, claim in ms, share of a caller, then callers and how many of their messages the gateway is sending. Messages that
-- are due: each with its attempts so far and the caller's secrets. One whose receiver said that it is gone ends here.
local limit, claim_ms, share = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local sending = {}
for i = 5, #ARGV, 2 do sending[ARGV[i]] = tonumber(ARGV[i + 1]) end
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
  local url = redis.call('HGET', key, 'url')
  if not url then return drop_due(caller, name) end
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
  claim(caller, redis.call('ZRANGE', due_of(caller), 0, 0)[1])
  local first = redis.call('ZSCORE', due_key, caller)
  -- Nothing more of theirs is due: they have enough.
  if not first or tonumber(first) > now then sending[caller] = share end
end
return claimed
