-- id, token, final state, then fields and values. A cancel that was accepted before wins, whatever the outcome.
local id, token, state = ARGV[2], ARGV[3], ARGV[4]
if not holds(id, token) then return repeated(id, token, state) end
close(id, token, state)
if cancel_requested(id) then
  finish(id, 'canceled')
  emit(id, 'state')
  return 'cancel'
end
finish(id, state)
if #ARGV > 4 then set(id, unpack(ARGV, 5)) end
emit(id, 'state')
return 'held'
