-- requires: snapshots
-- Returns the snapshots of those jobs that wait at another position than in `positions`, a table by id.
local moved = {}
for id, known in pairs(args.positions) do
  local queue = get(id, 'queue')
  local position = queue and redis.call('ZRANK', waiting_key(queue), id)
  if position and position ~= known then moved[#moved + 1] = snapshot(id) end
end
return moved
