-- requires: records
-- Start-time fair queueing. A job's score in its queue is its virtual start time, stored in the field `turn` and offset by its
-- priority class. It is assigned at creation, so a job's position in the queue is its rank.
-- * A job starts (virtually) where its caller's work so far ends, but not before the virtual clock of its class.
-- * The clock is the start time of the last job whose main stage began.
-- * The first job of an idle caller moves the clock on by one, so that the first jobs of several callers keep the order of
--   their creation. Later jobs do not move it: otherwise a caller with a thousand jobs would delay every newcomer.
local class_width = 1e14
local classes = {high = 0, normal = 1, low = 2}
local function class_of(id) return option(id, 'priority') or 'normal' end
local function clock_key(class) return prefix .. 'turns:' .. class end
-- The caller's jobs of the class that have not ended, by virtual start time.
local function turns_key(class, caller) return clock_key(class) .. ':' .. caller end
local function virtual_start(id) return tonumber(get(id, 'turn')) % class_width end

local function assign_virtual_start(id)
  local class, caller = class_of(id), 'caller:' .. get(id, 'caller')
  local clock, ends = unpack(redis.call('HMGET', clock_key(class), 'clock', caller))
  clock, ends = tonumber(clock or 0), tonumber(ends or 0)
  if ends <= clock then clock = clock + 1 end
  local start = math.max(clock, ends)
  redis.call('HSET', clock_key(class), 'clock', integer_text(clock), caller, integer_text(start + get(id, 'units')))
  set(id, 'turn', integer_text(classes[class] * class_width + start))
end

-- Called when a job is claimed. The main stage is the last one, where queues are long.
local function advance_clock(id)
  if get(id, 'queue') == 'prepare' and get(id, 'kind') ~= 'poses' then return end
  local key, caller = clock_key(class_of(id)), 'caller:' .. get(id, 'caller')
  local clock, ends = unpack(redis.call('HMGET', key, 'clock', caller))
  clock = math.max(tonumber(clock or 0), virtual_start(id))
  redis.call('HSET', key, 'clock', integer_text(clock))
  if tonumber(ends or 0) <= clock then redis.call('HDEL', key, caller) end
end
