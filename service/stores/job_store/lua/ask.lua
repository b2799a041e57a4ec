-- id, token. Replies held, cancel or lost, as a renewal does; writes nothing, so that the answer waits for no disk.
local id, token = ARGV[2], ARGV[3]
if not holds(id, token) then return 'lost' end
return cancel_requested(id) and 'cancel' or 'held'
