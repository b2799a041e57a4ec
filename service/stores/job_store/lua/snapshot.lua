-- queues. Of each: jobs that wait, jobs at work, and of each class how many wait and the age of the oldest in ms; then the counters,
-- messages that are due, for how long the first has been, and the workers that live.
local leased = {}
for _, id in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
  local queue = get(id, 'queue')
  if queue then leased[queue] = (leased[queue] or 0) + 1 end
end
local depths = {}
for i = 2, #ARGV do
  local queue, by_class = ARGV[i], {}
  for _, class in ipairs({'high', 'normal', 'low'}) do
    local oldest = redis.call('ZRANGE', age_key(queue, class), 0, 0, 'WITHSCORES')
    by_class[#by_class + 1] = {redis.call('ZCARD', age_key(queue, class)), oldest[2] and math.max(0, now - oldest[2]) or 0}
  end
  depths[#depths + 1] = {redis.call('ZCARD', waiting_key(queue)), leased[queue] or 0, by_class}
end
local due, first = 0, redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
for _, caller in ipairs(redis.call('ZRANGE', due_key, 0, -1)) do due = due + redis.call('ZCARD', due_of(caller)) end
local workers = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'workers:alive', '(' .. now, '+inf')) do
  workers[#workers + 1] = redis.call('HGET', prefix .. 'workers', id) or nil
end
return {depths, redis.call('HGETALL', counters_key), due,
  first[2] and math.max(0, now - first[2]) or 0, workers}
