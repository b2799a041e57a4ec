-- requires: records, fair_queueing, lanes
-- Refunds of virtual time. A job that ends before it began leaves a gap of its units. Closing it moves the caller's later
-- jobs of the class forward, in their order. A script passes few of them: the gap stays where the script stopped, the
-- reconciler continues from there, and gaps that meet become one.
local gaps_key = prefix .. 'gaps' -- `class:caller` of those with gaps, the one whose turn it is first
local function caller_gaps_key(class, caller) return gaps_key .. ':' .. class .. ':' .. caller end

-- The number of jobs and gaps that a script may still pass.
local moves_left = 100

local function move_forward(id, class, caller, units)
  local turn, queue, state = unpack(redis.call('HMGET', job_key(id), 'turn', 'queue', 'state'))
  if not state or is_final(state) then return redis.call('ZREM', turns_key(class, caller), id) end
  local start = integer_text(turn - units)
  set(id, 'turn', start)
  for _, key in ipairs({turns_key(class, caller), waiting_key(queue), lane_key(queue, lane_of(id))}) do
    redis.call('ZADD', key, 'XX', start, id)
  end
end

-- Moves the caller's first gap back, past jobs and with the gaps that it meets. Behind the last job it is taken off the
-- end of the caller's work.
local function close_gaps(class, caller)
  local gaps, name, units, place, ended = caller_gaps_key(class, caller), class .. ':' .. caller, 0, '-inf', nil
  while moves_left > 0 do
    moves_left = moves_left - 1
    local gap, gap_start = unpack(redis.call('ZRANGE', gaps, 0, 0, 'WITHSCORES'))
    if units == 0 and gap then place = gap_start end
    local job, start = unpack(redis.call('ZRANGEBYSCORE', turns_key(class, caller), '(' .. place, '+inf', 'WITHSCORES',
      'LIMIT', 0, 1))
    if gap and not (job and tonumber(start) <= tonumber(gap_start)) then
      redis.call('ZREM', gaps, gap)
      units, place, ended = units + gap:match('^%d+'), gap_start, gap:match(':.*$')
    elseif job and units > 0 then
      move_forward(job, class, caller, units)
      place = start
    else
      local key, ends = clock_key(class), 'caller:' .. caller
      if redis.call('HEXISTS', key, ends) == 1 then redis.call('HINCRBY', key, ends, integer_text(-units)) end
      redis.call('ZREM', gaps_key, name)
      return
    end
  end
  if units > 0 then redis.call('ZADD', gaps, place, integer_text(units) .. ended) end
  redis.call('ZADD', gaps_key, now, name)
end

-- Closes the gap of a job that ends before it began, if that is little work.
local function refund(id)
  local class, caller = class_of(id), get(id, 'caller')
  local gaps = caller_gaps_key(class, caller)
  redis.call('ZADD', gaps, get(id, 'turn'), get(id, 'units') .. ':' .. id)
  redis.call('ZADD', gaps_key, now, class .. ':' .. caller)
  local first = redis.call('ZRANGE', gaps, 0, 0, 'WITHSCORES')[2]
  local later = redis.call('ZCOUNT', turns_key(class, caller), '(' .. first, '+inf')
  if later + redis.call('ZCARD', gaps) < moves_left and is_in_order(get(id, 'queue')) then close_gaps(class, caller) end
end
