-- requires: snapshots
-- Returns snapshots of up to `limit` jobs of `caller`, newest first, of the same millisecond by id; then creation time and
-- id of the job behind which the list continues, nothing if it has ended. Arguments: caller (`*`: all callers), limit,
-- states (empty: all), metadata (`name=value` each; jobs have all of them), since_ms, until_ms (exclusive), after_ms and
-- after_id (behind which job the list begins; it need not exist any more), max_rows (that are read of each set in search
-- of matches; so a page with metadata may be short although the list continues).
local after_ms, from, metadata = args.after_ms, args.since_ms or '-inf', args.metadata
local to = args.until_ms and '(' .. integer_text(args.until_ms) or '+inf'
if after_ms and after_ms < (args.until_ms or math.huge) then to = after_ms end
local states = {}
for _, state in ipairs(args.states) do states[state] = true end

-- Returns whether the first job is listed before the second one.
local function is_before(a, b) return a.ms > b.ms or (a.ms == b.ms and a.id > b.id) end

-- Releases without some of these sets leave jobs in them that they erase or change.
local function is_match(id)
  local state = get(id, 'state')
  if not state or (#args.states > 0 and not states[state]) then return false end
  for _, pair in ipairs(metadata) do
    if not redis.call('ZSCORE', metadata_key(args.caller, pair), id) then return false end
  end
  return true
end

-- Returns the sets that together hold all matches: of the metadata, the one with the fewest jobs.
local function sets()
  local keys, smallest = {}, math.huge
  for _, pair in ipairs(metadata) do
    local key = metadata_key(args.caller, pair)
    local jobs = redis.call('ZCARD', key)
    if jobs < smallest then keys, smallest = {key}, jobs end
  end
  if #metadata > 0 then return keys end
  for _, state in ipairs(args.states) do keys[#keys + 1] = jobs_key(args.caller, state) end
  return #keys > 0 and keys or {jobs_key(args.caller)}
end

local found, seen, horizon = {}, {}, nil
for _, key in ipairs(sets()) do
  local ties = after_ms and redis.call('ZCOUNT', key, after_ms, after_ms) or 0
  local size, last = args.max_rows + ties, nil
  local rows = redis.call('ZREVRANGEBYSCORE', key, to, from, 'WITHSCORES', 'LIMIT', 0, size)
  for i = 1, #rows, 2 do
    last = {id = rows[i], ms = tonumber(rows[i + 1])}
    local is_new = not seen[last.id] and (not after_ms or last.ms < after_ms or last.id < args.after_id)
    if is_new and is_match(last.id) then found[#found + 1] = last end
    seen[last.id] = true
  end
  -- Older jobs of the other sets come behind what is left of this one.
  if #rows == 2 * size and (not horizon or is_before(last, horizon)) then horizon = last end
end
table.sort(found, is_before)
local snapshots, last = {}, nil
for _, job in ipairs(found) do
  if #snapshots == args.limit or (horizon and is_before(horizon, job)) then break end
  snapshots[#snapshots + 1], last = snapshot(job.id), job
end
local following = #snapshots == args.limit and last or horizon
return {snapshots, following and {integer_text(following.ms), following.id} or {}}
