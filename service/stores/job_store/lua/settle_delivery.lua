-- requires: deliveries, counters
-- Logs an attempt and sets the message's state. Arguments: id, n, claim, attempt (JSON), max_attempts (that are kept),
-- state, level (of the caller from now on), retry_ms (until the next attempt), max_disabled (URLs of the caller). The
-- attempt is always logged. The state is set only by the last
-- claim, except that a delivered message stays delivered. Returns whether the state was set.
local name = delivery_name(args.id, args.n)
local key, state = delivery_key(name), args.state
local caller, url, claim, event = unpack(redis.call('HMGET', key, 'caller', 'url', 'claim', 'event'))
if not caller then return 0 end
redis.call('RPUSH', key .. ':attempts', args.attempt)
redis.call('LTRIM', key .. ':attempts', -args.max_attempts, -1)
set_level(caller, args.level)
if tonumber(claim) ~= args.claim and state ~= 'delivered' then return 0 end
count('webhooks', event, state == 'pending' and 'retried' or state)
if state == 'disabled' then
  local disabled = disabled_key(caller)
  redis.call('HSET', disabled, url, now)
  if redis.call('HLEN', disabled) > args.max_disabled then redis.call('HDEL', disabled, redis.call('HRANDFIELD', disabled)) end
end
if state == 'pending' then
  set_due(caller, name, now + args.retry_ms)
  redis.call('HSET', key, 'due_ms', integer_text(now + args.retry_ms))
else
  settle(name, state)
end
return 1
