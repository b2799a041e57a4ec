-- requires: records, lifecycle, events
-- Gives a lease back without counting the attempt, because the worker shuts down or a store is unavailable. Arguments:
-- id, token. Returns held, cancel or lost.
local id = args.id
local reply = close_lease(id, args.token, 'release')
if reply then return reply end
redis.call('HINCRBY', job_key(id), 'attempts', -1)
requeue(id, get(id, 'queue'))
emit(id, 'state')
return 'held'
