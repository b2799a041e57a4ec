-- requires: snapshots
-- Returns snapshots of up to `limit` jobs, newest first; of the same millisecond, by id. Arguments: callers, states
-- (empty: all), metadata (`name=value` each; jobs have all of them), since_ms, until_ms (exclusive), after_ms and
-- after_id (the last job of the page before, which need not exist any more).
local after_ms, from, metadata = args.after_ms, args.since_ms or '-inf', args.metadata
local to = args.until_ms and '(' .. integer_text(args.until_ms) or '+inf'
if after_ms and after_ms < (args.until_ms or math.huge) then to = after_ms end
local states = {}
for _, state in ipairs(args.states) do states[state] = true end
local function is_match(caller, id)
  if #metadata == 0 then return true end
  -- A release without metadata does not remove the jobs that it erases from the sets by metadata.
  local state = get(id, 'state')
  if not state or (#args.states > 0 and not states[state]) then return false end
  for i = 2, #metadata do
    if not redis.call('ZSCORE', metadata_key(caller, metadata[i]), id) then return false end
  end
  return true
end
local found = {}
local function collect(caller, key)
  local ties = after_ms and redis.call('ZCOUNT', key, after_ms, after_ms) or 0
  local size, from_row, matches, rows = args.limit + ties, 0, 0, nil
  repeat
    rows = redis.call('ZREVRANGEBYSCORE', key, to, from, 'WITHSCORES', 'LIMIT', from_row, size)
    for i = 1, #rows, 2 do
      local id, ms = rows[i], tonumber(rows[i + 1])
      if (not after_ms or ms < after_ms or id < args.after_id) and is_match(caller, id) then
        found[#found + 1] = {ms, id}
        matches = matches + 1
      end
    end
    from_row = from_row + size
  until matches >= args.limit or #rows < 2 * size
end
for _, caller in ipairs(args.callers) do
  if #metadata > 0 then
    collect(caller, metadata_key(caller, metadata[1]))
  elseif #args.states == 0 then
    collect(caller, jobs_key(caller))
  else
    for _, state in ipairs(args.states) do collect(caller, jobs_key(caller, state)) end
  end
end
table.sort(found, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
local snapshots = {}
for i = 1, math.min(args.limit, #found) do snapshots[i] = snapshot(found[i][2]) end
return snapshots
