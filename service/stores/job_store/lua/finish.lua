-- requires: records, lifecycle, events
-- Ends a leased job. Arguments: id, token, state, fields. A cancel that was accepted before wins. Returns held, cancel
-- or lost.
local reply = close_lease(args.id, args.token, args.state)
if reply then return reply end
end_job(args.id, args.state)
set_fields(args.id, args.fields)
emit(args.id, 'state')
return 'held'
