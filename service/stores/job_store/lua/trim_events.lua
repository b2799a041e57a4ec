-- requires: events
-- Trims the events of jobs that ended some time ago, one after another until `limit` changes of state were kept. Returns
-- whether jobs are left.
local kept = 0
while kept < args.limit do
  local id = redis.call('ZRANGEBYSCORE', untrimmed_key, '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then return 0 end
  kept = kept + math.max(1, trim(id))
  redis.call('ZREM', untrimmed_key, id)
end
return 1
