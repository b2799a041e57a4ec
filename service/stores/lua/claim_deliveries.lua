-- limit, claim in ms. Messages that are due: pairs of the message, its attempts so far, the caller's secrets.
-- One whose receiver said that it is gone ends here.
local limit, claim_ms = tonumber(ARGV[2]), tonumber(ARGV[3])
local claimed = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'LIMIT', 0, limit)) do
  local key = delivery_key(name)
  local caller, url = unpack(redis.call('HMGET', key, 'caller', 'url'))
  if not caller then
    redis.call('ZREM', due_key, name)
  elseif redis.call('HEXISTS', disabled_key(caller), url) == 1 then
    settle(name, 'disabled')
  else
    redis.call('ZADD', due_key, now + claim_ms, name)
    redis.call('HINCRBY', key, 'claim', 1)
    redis.call('HINCRBY', key, 'tries', 1)
    claimed[#claimed + 1] = {redis.call('HGETALL', key), redis.call('LRANGE', key .. ':attempts', 0, -1), secrets(caller)}
  end
end
return claimed
