-- requires: records, queues
-- Returns up to `limit` jobs whose last wake-up message is at least age_ms old and for whose list the broker has none,
-- and resets that time. Arguments: queue, list, age_ms, limit.
local ids = {}
local function collect(key)
  for from = 0, redis.call('ZCARD', key) - 1, 100 do
    for _, id in ipairs(redis.call('ZRANGE', key, from, from + 99)) do
      if #ids >= args.limit then return end
      local hinted_ms = tonumber(get(id, 'hinted_ms') or now)
      if now - hinted_ms >= args.age_ms and redis.call('LLEN', hint_list(args.list, id)) == 0 then
        set(id, 'hinted_ms', now)
        ids[#ids + 1] = id
      end
    end
  end
end
collect(redis.call('LLEN', args.list) == 0 and waiting_key(args.queue) or presets_key(args.queue))
return ids
