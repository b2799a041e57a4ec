-- limit, error of a job that was not begun in time, error of one that did not end in time; {option} in them stands for its value.
-- Ids of the jobs that end here.
local errors = {start_deadline_s = ARGV[3], run_deadline_s = ARGV[4]}
local ids = redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', now, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local name = get(id, 'started_ms') and 'run_deadline_s' or 'start_deadline_s'
  if cancel_requested(id) then
    finish(id, 'canceled')
  else
    finish(id, 'failed')
    set(id, 'error', (errors[name]:gsub('{' .. name .. '}', whole(option(id, name)))))
  end
  emit(id, 'state')
end
return ids
