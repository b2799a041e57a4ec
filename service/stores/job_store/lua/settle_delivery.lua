-- name, claim, attempt, state, ms until the next try. The log grows whoever holds the claim;
-- the state is the last claimer's business, but a message that was taken stays taken.
local name, claim, attempt, state, retry_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local key = delivery_key(name)
local caller, url, current, event = unpack(redis.call('HMGET', key, 'caller', 'url', 'claim', 'event'))
if not caller then return 0 end
redis.call('RPUSH', key .. ':attempts', attempt)
if current ~= claim and state ~= 'delivered' then return 0 end
count('webhooks', event, state == 'pending' and 'retried' or state)
if state == 'disabled' then redis.call('HSET', disabled_key(caller), url, now) end
if state == 'pending' then
  set_due(caller, name, now + retry_ms)
  redis.call('HSET', key, 'due_ms', string.format('%d', now + retry_ms))
else
  settle(name, state)
end
return 1
