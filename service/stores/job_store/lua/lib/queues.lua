-- requires: records, fair_queueing
-- Waiting jobs of each queue, by virtual start time; and by age within each priority class, for metrics.
local function waiting_key(queue) return prefix .. 'waiting:' .. queue end
local function age_key(queue, class) return waiting_key(queue) .. ':age:' .. class end

-- Waiting jobs that name a preset, in the same order.
local function presets_key(queue) return waiting_key(queue) .. ':presets' end

-- Returns the broker's list for the job's wake-up messages; workers read `list` and that of their preset.
local function hint_list(list, id)
  local preset = get(id, 'preset')
  return preset and list .. '.' .. preset or list
end

local function enqueue(id, queue)
  redis.call('ZADD', waiting_key(queue), get(id, 'turn'), id)
  if get(id, 'preset') then redis.call('ZADD', presets_key(queue), get(id, 'turn'), id) end
  redis.call('ZADD', age_key(queue, class_of(id)), get(id, 'created_ms'), id)
end

-- Returns whether the job was waiting.
local function dequeue(id)
  local queue = get(id, 'queue')
  redis.call('ZREM', age_key(queue, class_of(id)), id)
  redis.call('ZREM', presets_key(queue), id)
  return redis.call('ZREM', waiting_key(queue), id) == 1
end

-- Gives back the virtual time of a job that ends before it began: the caller's later jobs of its class move up.
local function refund(id)
  local class, units, start = class_of(id), tonumber(get(id, 'units')), tonumber(get(id, 'turn'))
  local key, caller = clock_key(class), 'caller:' .. get(id, 'caller')
  if redis.call('HEXISTS', key, caller) == 1 then redis.call('HINCRBY', key, caller, -units) end
  for _, other in ipairs(redis.call('ZRANGE', jobs_key(get(id, 'caller'), 'queued'), 0, -1)) do
    local other_start = tonumber(get(other, 'turn'))
    if other_start > start and other_start < start - start % class_width + class_width then
      set(other, 'turn', integer_text(other_start - units))
      redis.call('ZADD', waiting_key(get(other, 'queue')), integer_text(other_start - units), other)
    end
  end
end
