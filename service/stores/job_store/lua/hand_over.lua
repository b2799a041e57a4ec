-- id, token, next queue, contract of what was prepared, then fields and values. The job waits in its next queue, where attempts
-- count anew.
local id, token, queue = ARGV[2], ARGV[3], ARGV[4]
if not holds(id, token) then return repeated(id, token, queue) end
close(id, token, queue)
if cancel_requested(id) then
  finish(id, 'canceled')
  emit(id, 'state')
  return 'cancel'
end
set(id, 'attempts', 0, 'contract', math.max(tonumber(get(id, 'contract') or 1), tonumber(ARGV[5])), unpack(ARGV, 6))
wait_in(id, queue)
emit(id, 'state')
return 'held'
