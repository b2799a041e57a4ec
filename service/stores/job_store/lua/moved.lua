-- requires: snapshots
-- Returns the snapshots of those jobs that wait at another position than in `positions`, a table by id.
local moved = {}
for id, known in pairs(args.positions) do
  local position = position_of(jobs_before(id))
  if position >= 0 and position ~= known then moved[#moved + 1] = snapshot(id) end
end
return moved
