-- Generations of callers' webhook secrets. The secrets themselves are derived outside of Redis.
-- Of these the newest sign; each message has a signature of each.
local max_signing = 10
local function secrets_key(caller) return prefix .. 'webhooks:secrets:' .. caller end

-- Returns the generations that sign now, newest first, each followed by the ms at which it retires ('' for the newest).
local function signing_secrets(caller)
  local key = secrets_key(caller)
  redis.call('HSETNX', key, 'newest', 1)
  local newest = redis.call('HGET', key, 'newest')
  local found = {newest, ''}
  for generation = newest - 1, math.max(1, newest - max_signing + 1), -1 do
    local retires = redis.call('HGET', key, generation)
    if not retires or tonumber(retires) <= now then break end
    found[#found + 1] = tostring(generation)
    found[#found + 1] = retires
  end
  return found
end

local function rotate_secret(caller, retires)
  local signing = signing_secrets(caller)
  for i = 1, #signing, 2 do
    local earlier = tonumber(signing[i + 1])
    redis.call('HSET', secrets_key(caller), signing[i], integer_text(earlier and math.min(earlier, retires) or retires))
  end
  local newest = redis.call('HINCRBY', secrets_key(caller), 'newest', 1)
  redis.call('HDEL', secrets_key(caller), newest - max_signing)
end
