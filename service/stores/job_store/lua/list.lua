-- requires: snapshots
-- Returns snapshots of up to `limit` jobs, newest first; of the same millisecond, by id. Arguments: callers, states (empty: all),
-- since_ms, until_ms (exclusive), after_ms and after_id (the last job of the page before, which need not exist any
-- more).
local after_ms, from = args.after_ms, args.since_ms or '-inf'
local to = args.until_ms and '(' .. integer_text(args.until_ms) or '+inf'
if after_ms and after_ms < (args.until_ms or math.huge) then to = after_ms end
local sets = {}
for _, caller in ipairs(args.callers) do
  for _, state in ipairs(args.states) do sets[#sets + 1] = jobs_key(caller, state) end
  if #args.states == 0 then sets[#sets + 1] = jobs_key(caller) end
end
local found = {}
for _, key in ipairs(sets) do
  local ties = after_ms and redis.call('ZCOUNT', key, after_ms, after_ms) or 0
  local rows = redis.call('ZREVRANGEBYSCORE', key, to, from, 'WITHSCORES', 'LIMIT', 0, args.limit + ties)
  for i = 1, #rows, 2 do
    local id, ms = rows[i], tonumber(rows[i + 1])
    if not after_ms or ms < after_ms or id < args.after_id then found[#found + 1] = {ms, id} end
  end
end
table.sort(found, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
local snapshots = {}
for i = 1, math.min(args.limit, #found) do snapshots[i] = snapshot(found[i][2]) end
return snapshots
