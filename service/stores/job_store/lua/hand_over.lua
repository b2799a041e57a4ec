-- requires: records, lifecycle, events
-- Moves a leased job to its next queue, where attempts are counted from 0. Arguments: id, token, queue, contract (that
-- a worker needs to read what was prepared), fields. Returns held, cancel or lost.
local id = args.id
local reply = close_lease(id, args.token, args.queue)
if reply then return reply end
set(id, 'attempts', 0, 'contract', math.max(tonumber(get(id, 'contract') or 1), args.contract))
set_fields(id, args.fields)
requeue(id, args.queue)
emit(id, 'state')
return 'held'
