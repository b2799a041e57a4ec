-- queue, name of the broker's list, age in ms, limit. Jobs that wait although the broker holds no hint for them.
local queue, broker_list, age_ms, limit = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if redis.call('LLEN', broker_list) > 0 then return {} end
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', waiting_key(queue), 0, limit - 1)) do
  if now - tonumber(get(id, 'hinted_ms')) >= age_ms then
    set(id, 'hinted_ms', now)
    ids[#ids + 1] = id
  end
end
return ids
