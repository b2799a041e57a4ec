-- queues. Of each: jobs that wait, age of the oldest in ms, jobs at work, and how many of each class wait; then the counters,
-- messages that are due, for how long the first has been, and the workers that live.
local leased = {}
for _, id in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
  local queue = get(id, 'queue')
  if queue then leased[queue] = (leased[queue] or 0) + 1 end
end
local depths = {}
for i = 2, #ARGV do
  local oldest = redis.call('ZRANGE', waiting_key(ARGV[i]) .. ':age', 0, 0, 'WITHSCORES')
  depths[#depths + 1] = {redis.call('ZCARD', waiting_key(ARGV[i])), oldest[2] and math.max(0, now - oldest[2]) or 0,
    leased[ARGV[i]] or 0}
  for _, class in ipairs({'high', 'normal', 'low'}) do
    local first_turn = classes[class] * class_width
    table.insert(depths[#depths], redis.call('ZCOUNT', waiting_key(ARGV[i]), whole(first_turn),
      '(' .. whole(first_turn + class_width)))
  end
end
local due, first = 0, redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
for _, caller in ipairs(redis.call('ZRANGE', due_key, 0, -1)) do due = due + redis.call('ZCARD', due_of(caller)) end
local workers = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'workers:alive', '(' .. now, '+inf')) do
  workers[#workers + 1] = redis.call('HGET', prefix .. 'workers', id) or nil
end
return {depths, redis.call('HGETALL', counters_key), due,
  first[2] and math.max(0, now - first[2]) or 0, workers}
