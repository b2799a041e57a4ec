-- id, token, checkpoint. The job's render may go on from here. No event: callers learn of it by the progress of who goes on.
local id, token = ARGV[2], ARGV[3]
if not holds(id, token) then return 'lost' end
set(id, 'checkpoint', ARGV[4])
return cancel_requested(id) and 'cancel' or 'held'
