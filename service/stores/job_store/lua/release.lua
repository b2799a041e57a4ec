-- id, token. The worker lets go in good order (it shuts down, or a store is away): the attempt does not count.
local id, token = ARGV[2], ARGV[3]
if not holds(id, token) then return repeated(id, token, 'release') end
close(id, token, 'release')
if cancel_requested(id) then
  finish(id, 'canceled')
  emit(id, 'state')
  return 'cancel'
end
redis.call('HINCRBY', job_key(id), 'attempts', -1)
wait_in(id, get(id, 'queue'))
emit(id, 'state')
return 'held'
