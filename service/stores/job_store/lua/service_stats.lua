-- requires: records, schedules, lanes, queues, leases, counters, deliveries, workers, uploads
-- Returns, for each of `queues`: waiting jobs, the workers of leased jobs, for each priority class waiting jobs and the age of the
-- oldest in ms, and for each preset that jobs name waiting jobs; then the counters, the number of pending messages, for
-- how many ms the first has been due, descriptions of live workers, the number of stored jobs, that of expired ones, and
-- for each of `levels` levels the callers with pending messages; the number of uploads.
local holders = {}
for _, id in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
  local queue, worker = unpack(redis.call('HMGET', job_key(id), 'queue', 'worker'))
  if queue then
    holders[queue] = holders[queue] or {}
    table.insert(holders[queue], worker or '')
  end
end
local queues = {}
for i, queue in ipairs(args.queues) do
  local by_class = {}
  for _, class in ipairs({'high', 'normal', 'low'}) do
    local oldest = redis.call('ZRANGE', age_key(queue, class), 0, 0, 'WITHSCORES')
    by_class[#by_class + 1] = {redis.call('ZCARD', age_key(queue, class)), oldest[2] and math.max(0, now - oldest[2]) or 0}
  end
  local presets, by_preset = {}, {}
  for _, lane in ipairs(lanes_of(queue)) do
    presets[lane.preset] = (presets[lane.preset] or 0) + redis.call('ZCARD', lane.key)
  end
  presets[''] = nil
  for preset, waiting in pairs(presets) do by_preset[#by_preset + 1] = {preset, waiting} end
  queues[i] = {redis.call('ZCARD', waiting_key(queue)), holders[queue] or {}, by_class, by_preset}
end
local pending, first_due, by_level = 0, now, {}
for _, caller in ipairs(redis.call('ZRANGE', all_callers_key, 0, -1)) do
  pending = pending + redis.call('ZCARD', due_key(caller))
end
for level = 0, args.levels - 1 do
  first_due = math.min(first_due, redis.call('ZRANGE', callers_key(level), 0, 0, 'WITHSCORES')[2] or now)
  by_level[level + 1] = redis.call('ZCARD', callers_key(level))
end
for level, count in ipairs(by_level) do
  if level ~= new_level + 1 then by_level[new_level + 1] = by_level[new_level + 1] - count end
end
local workers = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', alive_workers_key, '(' .. now, '+inf')) do
  workers[#workers + 1] = redis.call('HGET', all_workers_key, id) or nil
end
local stored, expired = redis.call('ZCARD', jobs_key(everyone)), redis.call('ZCOUNT', expiries_key, '-inf', now)
return {queues, redis.call('HGETALL', counters_key), pending, now - first_due, workers, stored, expired,
  by_level, redis.call('ZCARD', upload_ends_key)}
