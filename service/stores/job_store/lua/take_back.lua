-- cap of attempts, longest silence in ms, grace in ms, error of a lost job per queue as pairs of queue and JSON. Takes back every
-- lease that ran out; replies id and queue of each job that waits again. When nobody asked for so long, the store was away (or all
-- workers were), and leases could not be renewed: they get the grace instead, once.
local cap, silence_ms, grace_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local errors = {}
for i = 5, #ARGV, 2 do errors[ARGV[i]] = ARGV[i + 1] end
local ran_out = redis.call('ZRANGEBYSCORE', leases_key, '-inf', now)
local looked_ms = redis.call('GET', prefix .. 'leases:looked_ms')
redis.call('SET', prefix .. 'leases:looked_ms', whole(now))
if looked_ms and now - looked_ms > silence_ms then
  for _, id in ipairs(ran_out) do redis.call('ZADD', leases_key, now + grace_ms, id) end
  return {}
end
local waiting = {}
for _, id in ipairs(ran_out) do
  local queue = get(id, 'queue')
  count('leases_lost', queue)
  if cancel_requested(id) then
    finish(id, 'canceled')
  elseif tonumber(get(id, 'attempts')) >= cap then
    finish(id, 'failed')
    set(id, 'error', errors[queue])
  else
    wait_in(id, queue)
    waiting[#waiting + 1] = id
    waiting[#waiting + 1] = queue
  end
  emit(id, 'state')
end
return waiting
