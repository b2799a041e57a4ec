-- requires: records
-- Brings the sets that list the jobs of all callers up to date with about `count` of the server's keys, since releases
-- without these sets may have written there, and with the oldest jobs of each set. Arguments: cursor ('0' at first), count.
-- Returns the cursor of the next call, '0' after the last key.
local found = redis.call('SCAN', args.cursor, 'MATCH', job_key('*'), 'COUNT', args.count)
for _, key in ipairs(found[2]) do
  local id = key:sub(#job_key('') + 1)
  local state = get(id, 'state')
  local is_listed = redis.call('ZSCORE', jobs_key(everyone), id) and redis.call('ZSCORE', jobs_key(everyone, state or ''), id)
  if state and not is_listed then add_to_index(id) end
end
for state in pairs(transitions) do
  for _, id in ipairs(redis.call('ZRANGE', jobs_key(everyone, state), 0, 99)) do
    if get(id, 'state') ~= state then redis.call('ZREM', jobs_key(everyone, state), id) end
  end
end
for _, id in ipairs(redis.call('ZRANGE', jobs_key(everyone), 0, 99)) do
  if not get(id, 'state') then redis.call('ZREM', jobs_key(everyone), id) end
end
return found[1]
