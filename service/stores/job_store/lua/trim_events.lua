-- requires: events
-- Trims the events of up to `limit` jobs that ended some time ago. Returns their number.
local ids = redis.call('ZRANGEBYSCORE', untrimmed_key, '-inf', now, 'LIMIT', 0, args.limit)
for _, id in ipairs(ids) do
  trim(id)
  redis.call('ZREM', untrimmed_key, id)
end
return #ids
