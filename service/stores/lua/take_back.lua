-- cap of attempts, error of a lost job per queue as pairs of queue and JSON. Takes back every lease that ran out.
-- Replies id and queue of each job that waits again.
local cap = tonumber(ARGV[2])
local errors = {}
for i = 3, #ARGV, 2 do errors[ARGV[i]] = ARGV[i + 1] end
local waiting = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', now)) do
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
