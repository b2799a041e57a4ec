-- requires: records, lanes, queues
-- Returns up to `limit` jobs whose last wake-up message is at least age_ms old and for whose list the broker has none,
-- and resets that time. Of each lane only the first `limit` jobs are looked at: a worker that gets a message claims the
-- first one. Arguments: queue, list, age_ms, limit.
local ids = {}
local function collect(lane)
  for _, id in ipairs(redis.call('ZRANGE', lane.key, 0, args.limit - 1)) do
    if #ids >= args.limit then return end
    if now - tonumber(get(id, 'hinted_ms') or now) >= args.age_ms then
      set(id, 'hinted_ms', now)
      ids[#ids + 1] = id
    end
  end
end
for _, lane in ipairs(lanes_of(args.queue)) do
  if redis.call('LLEN', hint_list_of(args.list, lane.preset)) == 0 then collect(lane) end
end
return ids
