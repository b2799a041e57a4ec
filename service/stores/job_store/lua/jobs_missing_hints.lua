-- requires: records, queues
-- Returns up to `limit` jobs whose last wake-up message is at least age_ms old, if the broker's list is empty, and
-- resets that time. Arguments: queue, list, age_ms, limit.
if redis.call('LLEN', args.list) > 0 then return {} end
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', waiting_key(args.queue), 0, args.limit - 1)) do
  if now - tonumber(get(id, 'hinted_ms')) >= args.age_ms then
    set(id, 'hinted_ms', now)
    ids[#ids + 1] = id
  end
end
return ids
