-- requires: records, fair_queueing, lanes
-- Entering and leaving a queue; its jobs by age within each priority class, for metrics.
local function age_key(queue, class) return waiting_key(queue) .. ':age:' .. class end

-- Returns the broker's list for the wake-up messages of jobs with this preset; workers read `list` and that of theirs.
local function hint_list_of(list, preset) return preset ~= '' and list .. '.' .. preset or list end
local function hint_list(list, id) return hint_list_of(list, get(id, 'preset') or '') end

local function enqueue(id, queue)
  redis.call('ZADD', waiting_key(queue), get(id, 'turn'), id)
  redis.call('ZADD', age_key(queue, class_of(id)), get(id, 'created_ms'), id)
  enter_lane(id, queue)
end

-- Returns whether the job was waiting.
local function dequeue(id)
  local queue = get(id, 'queue')
  leave_lane(id, queue, lane_of(id))
  redis.call('ZREM', age_key(queue, class_of(id)), id)
  return redis.call('ZREM', waiting_key(queue), id) == 1
end
