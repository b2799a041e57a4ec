-- requires: records, fair_queueing
-- Waiting jobs of each queue, by virtual start time: all in one set, and in a lane for each contract and preset that
-- they need. A worker's first job is the first of the heads of a few lanes. A lane's name is `contract:preset`, with
-- nothing after the colon for jobs that name no preset.
local function waiting_key(queue) return prefix .. 'waiting:' .. queue end
local function lanes_key(queue) return waiting_key(queue) .. ':lanes' end
local function lane_key(queue, name) return waiting_key(queue) .. ':lane:' .. name end
local function is_waiting(id, queue) return redis.call('ZSCORE', waiting_key(queue), id) ~= false end

local function lane_of(id)
  local contract, preset = unpack(redis.call('HMGET', job_key(id), 'contract', 'preset'))
  return (contract or '1') .. ':' .. (preset or '')
end

-- Returns the lanes that have jobs.
local function lanes_of(queue)
  local found = {}
  for i, name in ipairs(redis.call('SMEMBERS', lanes_key(queue))) do
    local contract, preset = name:match('^(%d+):(.*)$')
    found[i] = {name = name, key = lane_key(queue, name), contract = tonumber(contract), preset = preset}
  end
  return found
end

local function enter_lane(id, queue)
  local turn, name = get(id, 'turn'), lane_of(id)
  redis.call('ZADD', lane_key(queue, name), turn, id)
  redis.call('SADD', lanes_key(queue), name)
  redis.call('ZADD', turns_key(class_of(id), get(id, 'caller')), turn, id)
end

local function leave_lane(id, queue, name)
  redis.call('ZREM', lane_key(queue, name), id)
  if redis.call('EXISTS', lane_key(queue, name)) == 0 then redis.call('SREM', lanes_key(queue), name) end
end

-- Releases without lanes may run at the same time: the jobs that they queue are in no lane, and those that they claim
-- or cancel stay in theirs. The rest of this file finds and corrects that.
local function is_in_order(queue)
  local in_lanes = 0
  for _, lane in ipairs(lanes_of(queue)) do in_lanes = in_lanes + redis.call('ZCARD', lane.key) end
  return in_lanes == redis.call('ZCARD', waiting_key(queue))
end

-- Moves the id to where it belongs, if that is not this lane. Returns whether it belongs here.
local function check_lane(id, queue, name)
  local waits = is_waiting(id, queue)
  if waits and lane_of(id) == name then return true end
  leave_lane(id, queue, name)
  if waits then enter_lane(id, queue) end
  return false
end

-- Checks a lane's first jobs until one belongs there.
local function check_head(queue, lane)
  for _ = 1, 100 do
    local id = redis.call('ZRANGE', lane.key, 0, 0)[1]
    if not id or check_lane(id, queue, lane.name) then return end
  end
end

-- Checks the next `limit` ranks of the queue and of its lanes, and starts again at their end.
local function check_lanes(queue, limit)
  local cursor = waiting_key(queue) .. ':checked'
  local from = tonumber(redis.call('GET', cursor) or 0)
  local to = from + limit - 1
  for _, lane in ipairs(lanes_of(queue)) do
    for _, id in ipairs(redis.call('ZRANGE', lane.key, from, to)) do check_lane(id, queue, lane.name) end
  end
  local ids = redis.call('ZRANGE', waiting_key(queue), from, to)
  for _, id in ipairs(ids) do
    if get(id, 'turn') then enter_lane(id, queue) else redis.call('ZREM', waiting_key(queue), id) end
  end
  if #ids == limit then redis.call('SET', cursor, to + 1) elseif from > 0 then redis.call('DEL', cursor) end
end
