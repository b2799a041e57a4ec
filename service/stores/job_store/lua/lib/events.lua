-- requires: records, snapshots, counters, deliveries
-- Events of jobs. An event holds neither `static_fields`, which never change after `create`, nor `private_fields`,
-- which callers do not see.
local static_fields = {id = true, kind = true, caller = true, params = true, options = true, inputs = true, created_ms = true,
  units = true, request_id = true, traceparent = true, preset = true}
local private_fields = {hinted_ms = true, prepared = true, worker = true, previews = true, checkpoint = true,
  closed = true, turn = true, contract = true, state_versions = true, estimate_ms = true, waiting_since_ms = true}
-- Readers come back with the last version that they saw, so far fewer would do. The limit bounds memory for a job that
-- is claimed and released for weeks because a store is unavailable.
local max_events = 10000
-- Changes of state that stay when the job has ended, the last ones of a job that changed more often.
local max_states = 100
-- Ended jobs whose events are still to be trimmed, by the time for it: readers that come back find every event for so long.
local untrimmed_key, keep_all_ms = prefix .. 'untrimmed', 15 * 60 * 1000
local function events_key(id) return prefix .. 'events:' .. id end

-- Records which events are changes of state, so that the end of a job need not read all of them.
local function remember_state(id, version)
  local versions = (get(id, 'state_versions') or '') .. version .. ' '
  if select(2, versions:gsub(' ', '')) > max_states then versions = versions:gsub('^%d+ ', '') end
  set(id, 'state_versions', versions)
end

-- Deletes what an ended job needs no more. Of its events the changes of state are kept, since progress is most of what a
-- job takes in memory. They are copied, since a stream that grows reserves 4 kB and a copy nothing. Returns their number.
local function trim(id)
  local key, kept, versions, num_kept = events_key(id), events_key(id) .. ':kept', get(id, 'state_versions'), 0
  if not versions then return 0 end
  for version in versions:gmatch('%d+') do
    local name = version .. '-0'
    for _, event in ipairs(redis.call('XRANGE', key, name, name)) do redis.call('XADD', kept, name, unpack(event[2])) end
    num_kept = num_kept + 1
  end
  redis.call('COPY', kept, key, 'REPLACE')
  redis.call('DEL', kept)
  redis.call('HDEL', job_key(id), 'state_versions', 'hinted_ms', 'estimate_ms', 'prepared')
  return num_kept
end

-- Counts an ended job by state and error code, and the duration of its stages.
local function count_end(id, state)
  local error_ = get(id, 'error')
  count('jobs_ended', state, error_ and cjson.decode(error_).code or '')
  for stage, seconds in pairs(cjson.decode(get(id, 'seconds') or '{}')) do
    redis.call('HINCRBYFLOAT', counters_key, 'stage_seconds|' .. stage, seconds)
    count('stage_count', stage)
  end
end

-- Publishes a change. Called after all fields of the change are written. Returns the snapshot.
local function emit(id, kind)
  local version = redis.call('HINCRBY', job_key(id), 'version', 1)
  local job, fields = snapshot(id), {}
  for i = 1, #job[1], 2 do
    local name = job[1][i]
    if not static_fields[name] and not private_fields[name] then
      fields[#fields + 1] = name
      fields[#fields + 1] = job[1][i + 1]
    end
  end
  redis.call('XADD', events_key(id), 'MAXLEN', '~', max_events, version .. '-0', 'kind', kind,
    'placed', cjson.encode({fields, job[2], now, job[4]}))
  redis.call('PUBLISH', prefix .. 'changes', id)
  if kind == 'state' or kind == 'cancel' then remember_state(id, version) end
  if kind == 'state' then
    local state = get(id, 'state')
    if is_final(state) then
      count_end(id, state)
      redis.call('ZADD', untrimmed_key, now + keep_all_ms, id)
    end
    queue_delivery(id, job)
  end
  return job
end
