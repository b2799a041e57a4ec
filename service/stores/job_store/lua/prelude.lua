-- Stands before every script. KEYS[1]: prefix of all keys. ARGV[1]: now in ms, or '' for the server's own clock, which is
-- the one clock that all workers share. ARGV[2...]: the operation's own arguments.
-- `legal` is generated from service.contract.states.TRANSITIONS.
local prefix = KEYS[1]

local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = ARGV[1] ~= '' and tonumber(ARGV[1]) or server_ms()

local function job_key(id) return prefix .. 'job:' .. id end
local function waiting_key(queue) return prefix .. 'waiting:' .. queue end
local function age_key(queue, class) return waiting_key(queue) .. ':age:' .. class end
local leases_key = prefix .. 'leases'
local expiries_key = prefix .. 'expiries'
local spent_key = prefix .. 'checkpoints:spent'
local function jobs_key(caller, state) return prefix .. 'jobs:' .. caller .. (state and ':' .. state or '') end
local function idempotency_key(caller, key) return prefix .. 'idempotency:' .. caller .. ':' .. key end
-- Raises CLAIM unless the idempotency key is this owner's, and leads to no job yet.
local function hold_claim(caller, key, owner)
  local holder, job = unpack(redis.call('HMGET', idempotency_key(caller, key), 'owner', 'job'))
  if holder ~= owner or job then error({err = 'CLAIM ' .. key .. ' is not held by ' .. owner}) end
end
local function pace_key(kind) return prefix .. 'pace:' .. kind end
local remembered_jobs = 50
local function serving_key(queue) return prefix .. 'workers:' .. queue end

local function get(id, field) return redis.call('HGET', job_key(id), field) end
local function set(id, ...) redis.call('HSET', job_key(id), ...) end

-- The one place where a job's state changes. An illegal change is refused before anything is written.
local function move(id, to)
  local from = get(id, 'state')
  if not (from and legal[from][to]) then
    error({err = 'ILLEGAL job ' .. id .. ' cannot go from ' .. tostring(from) .. ' to ' .. to})
  end
  set(id, 'state', to)
  local caller = get(id, 'caller')
  redis.call('ZREM', jobs_key(caller, from), id)
  redis.call('ZADD', jobs_key(caller, to), get(id, 'created_ms'), id)
end

-- Whether this token is the one that holds the job's lease.
local function holds(id, token)
  return redis.call('ZSCORE', leases_key, id) ~= false and get(id, 'token') == token
end

-- Milliseconds since `field` was set are added to `total`; the field goes.
local function account(id, field, total)
  local since = get(id, field)
  if since then
    redis.call('HINCRBY', job_key(id), total, now - tonumber(since))
    redis.call('HDEL', job_key(id), field)
  end
end

local function drop_lease(id)
  redis.call('ZREM', leases_key, id)
  redis.call('HDEL', job_key(id), 'worker')
  account(id, 'taken_ms', get(id, 'queue') .. '_ms')
end

-- What jobs of this kind took: ms per unit, ms per job, mean relative error of their estimates (nil: none), their number.
local function pace(kind)
  local means = redis.call('HMGET', pace_key(kind) .. ':means', 'per_unit', 'per_job', 'error', 'estimates')
  if not means[1] then return nil end
  return tonumber(means[1]), tonumber(means[2]), means[3] and tonumber(means[3]) or nil, tonumber(means[4])
end

-- The means over the remembered jobs; made when a job ends, so that reading a job costs little.
local function take_means(key)
  local work, units, jobs, errors, estimates = 0, 0, 0, 0, 0
  for _, entry in ipairs(redis.call('LRANGE', key, 0, -1)) do
    local size, took, expected = entry:match('^(%d+):(%d+):(%d*)$')
    work, units, jobs = work + took, units + size, jobs + 1
    if expected ~= '' then
      errors = errors + math.abs(expected - took) / math.max(1, tonumber(took))
      estimates = estimates + 1
    end
  end
  local means = {'per_unit', tostring(work / math.max(1, units)), 'per_job', tostring(work / jobs), 'estimates', estimates}
  if estimates > 0 then
    means[#means + 1] = 'error'
    means[#means + 1] = tostring(errors / estimates)
  end
  redis.call('HSET', key .. ':means', unpack(means))
end

-- Writes down how long the job should keep workers busy, so that the estimate can be judged later.
local function estimate(id)
  local per_unit = pace(get(id, 'kind'))
  if per_unit then set(id, 'estimate_ms', math.floor(per_unit * get(id, 'units'))) end
end

local function remember_pace(id)
  local took = tonumber(get(id, 'prepare_ms') or 0) + tonumber(get(id, 'render_ms') or 0)
  local key = pace_key(get(id, 'kind'))
  redis.call('LPUSH', key, get(id, 'units') .. ':' .. string.format('%d', took) .. ':' .. (get(id, 'estimate_ms') or ''))
  redis.call('LTRIM', key, 0, remembered_jobs - 1)
  take_means(key)
end

local deadlines_key = prefix .. 'deadlines'
local function option(id, name)
  local value = cjson.decode(get(id, 'options'))[name]
  return value ~= cjson.null and value or nil
end

-- Turns: who waits stands in the order of turns, fixed when a job is made, so that its place is its rank. Callers of one class
-- share the work as in start-time fair queueing: a job's turn is where its caller's work so far ends, but not in the past; the
-- class's clock says what is past, that is the turn of the last job that began its main stage. A caller who had nothing left
-- to do moves it on by one, so that the first jobs of several callers come in the order of their making. The later jobs of a
-- caller must not: a thousand of them would let its first ones go before whoever comes next.
local class_width = 1e14
local classes = {high = 0, normal = 1, low = 2}
local function class_of(id) return option(id, 'priority') or 'normal' end
local function turns_key(class) return prefix .. 'turns:' .. class end
local function whole(number) return string.format('%.0f', number) end
local function turn_of(id) return tonumber(get(id, 'turn')) % class_width end

local function give_turn(id)
  local class, caller = class_of(id), 'caller:' .. get(id, 'caller')
  local clock, ends = unpack(redis.call('HMGET', turns_key(class), 'clock', caller))
  clock, ends = tonumber(clock or 0), tonumber(ends or 0)
  if ends <= clock then clock = clock + 1 end
  local turn = math.max(clock, ends)
  redis.call('HSET', turns_key(class), 'clock', whole(clock), caller, whole(turn + get(id, 'units')))
  set(id, 'turn', whole(classes[class] * class_width + turn))
end

-- The clock follows the job that begins its main stage: the last one of its kind, where the queues are long.
local function follow(id)
  if get(id, 'queue') == 'prepare' and get(id, 'kind') ~= 'poses' then return end
  local key, caller = turns_key(class_of(id)), 'caller:' .. get(id, 'caller')
  local clock, ends = unpack(redis.call('HMGET', key, 'clock', caller))
  clock = math.max(tonumber(clock or 0), turn_of(id))
  redis.call('HSET', key, 'clock', whole(clock))
  if tonumber(ends or 0) <= clock then redis.call('HDEL', key, caller) end
end

-- A job that ends without having begun gives its turn back: the caller's later ones move up.
local function return_turn(id)
  local class, units, turn = class_of(id), tonumber(get(id, 'units')), tonumber(get(id, 'turn'))
  local key, caller = turns_key(class), 'caller:' .. get(id, 'caller')
  if redis.call('HEXISTS', key, caller) == 1 then redis.call('HINCRBY', key, caller, -units) end
  for _, other in ipairs(redis.call('ZRANGE', jobs_key(get(id, 'caller'), 'queued'), 0, -1)) do
    local theirs = tonumber(get(other, 'turn'))
    if theirs > turn and theirs < turn - turn % class_width + class_width then
      set(other, 'turn', whole(theirs - units))
      redis.call('ZADD', waiting_key(get(other, 'queue')), whole(theirs - units), other)
    end
  end
end

-- API keys, and what callers may have. `weigh` raises QUOTA with the limit's name, what there is of it, how much more was
-- asked for, the limit, and in how many s there is more (0: when a job of theirs begins).
local keys_key = prefix .. 'keys'
local day_ms = 24 * 3600 * 1000
local function usage_key(caller) return prefix .. 'usage:' .. caller .. ':' .. whole(math.floor(now / day_ms)) end

local function weigh(caller, limits, jobs, bytes, ms)
  local used = redis.call('HMGET', usage_key(caller), 'bytes', 'ms')
  local tomorrow_s = math.ceil((day_ms - now % day_ms) / 1000)
  local asked = {
    {'queued_jobs', redis.call('ZCARD', jobs_key(caller, 'queued')), jobs, 1, 0},
    {'input_bytes_per_day', tonumber(used[1] or 0), bytes, 1, tomorrow_s},
    {'driving_s_per_day', tonumber(used[2] or 0), ms, 1000, tomorrow_s},
  }
  for _, row in ipairs(asked) do
    local name, has, more, unit, retry_s = unpack(row)
    local most = limits[name]
    if most and has + more > most * unit then
      local numbers = {has / unit, more / unit, most, retry_s}
      for i, number in ipairs(numbers) do numbers[i] = string.format('%.15g', number) end
      error({err = 'QUOTA ' .. name .. ' ' .. table.concat(numbers, ' ')})
    end
  end
end

local function use(caller, bytes, ms)
  redis.call('HINCRBY', usage_key(caller), 'bytes', whole(bytes))
  redis.call('HINCRBY', usage_key(caller), 'ms', whole(ms))
  redis.call('PEXPIRE', usage_key(caller), 2 * day_ms)
end

-- A form's bytes count as soon as it is made; the first job of its upload counts what it holds instead.
local counted_key = prefix .. 'uploads:counted'
local function today() return whole(math.floor(now / day_ms)) end
local function counted(upload)
  local day, bytes = string.match(redis.call('HGET', counted_key, upload) or '', '^(%d+) (%d+)$')
  return day == today() and tonumber(bytes) or 0
end

local function stand_in_line(id, queue)
  redis.call('ZADD', waiting_key(queue), get(id, 'turn'), id)
  redis.call('ZADD', age_key(queue, class_of(id)), get(id, 'created_ms'), id)
end

local function leave_line(id)
  local queue = get(id, 'queue')
  redis.call('ZREM', age_key(queue, class_of(id)), id)
  return redis.call('ZREM', waiting_key(queue), id) == 1
end

local function finish(id, to)
  move(id, to)
  redis.call('ZREM', deadlines_key, id)
  if leave_line(id) and not get(id, 'started_ms') then return_turn(id) end
  account(id, 'waiting_since_ms', 'waited_ms')
  drop_lease(id)
  local expires = now + cjson.decode(get(id, 'options')).ttl_s * 1000
  redis.call('ZADD', expiries_key, expires, id)
  set(id, 'ended_ms', now, 'expires_ms', string.format('%d', expires))
  if redis.call('HDEL', job_key(id), 'checkpoint') == 1 then redis.call('ZADD', spent_key, now, id) end
  if to == 'succeeded' then remember_pace(id) end
end

-- A job keeps its turn: one that comes back does not lose its place.
local function wait_in(id, queue)
  move(id, 'queued')
  drop_lease(id)
  set(id, 'queue', queue, 'hinted_ms', now, 'waiting_since_ms', now)
  stand_in_line(id, queue)
end

-- A worker whose reply was lost writes the end of its stage again: what it then hears is what it would have heard. `closed`
-- holds the last lease that its own worker ended, and how.
local function close(id, token, how) set(id, 'closed', token .. ':' .. how) end
local function repeated(id, token, how) return get(id, 'closed') == token .. ':' .. how and 'held' or 'lost' end

local function cancel_requested(id) return get(id, 'cancel_requested') == '1' end

-- For a job that waits: workers that live and serve the queue that has the fewest of them among those that the job has yet to
-- pass, jobs that wait in the later one, jobs at work.
local function crowd(queue, kind)
  local function serving(name) return redis.call('ZCOUNT', serving_key(name), '(' .. now, '+inf') end
  local workers, later = serving(queue), 0
  if queue == 'prepare' and kind == 'animate' then
    workers, later = math.min(workers, serving('render')), redis.call('ZCARD', waiting_key('render'))
  end
  return workers, later, redis.call('ZCARD', leases_key)
end

-- The record, its place among those that wait (0 is next, -1 when it does not wait), now, and the forecast: the job's
-- own estimate in ms, ms of a usual job, error of past estimates, their number, and the crowd of a job that waits; as text,
-- since replies hold no fractions.
local function placed(id)
  local queue = get(id, 'queue')
  local place = queue and redis.call('ZRANK', waiting_key(queue), id)
  local forecast = {}
  local per_unit, per_job, errors, estimates = nil, nil, nil, nil
  if queue and next(legal[get(id, 'state')]) then per_unit, per_job, errors, estimates = pace(get(id, 'kind')) end
  if per_unit then
    local own = get(id, 'estimate_ms') or tostring(per_unit * get(id, 'units'))
    forecast = {own, tostring(per_job), errors and tostring(errors) or '', tostring(estimates)}
    if place then
      for _, number in ipairs({crowd(queue, get(id, 'kind'))}) do forecast[#forecast + 1] = tostring(number) end
    end
  end
  return {redis.call('HGETALL', job_key(id)), place or -1, now, forecast}
end

-- Counters of the whole service, which `/metrics` shows.
local counters_key = prefix .. 'counters'
local function count(...) redis.call('HINCRBY', counters_key, table.concat({...}, '|'), 1) end

-- Events: `static_fields` never change after `create`, `untold_fields` are no business of callers; an event has neither.
local static_fields = {id = true, kind = true, caller = true, params = true, options = true, inputs = true, created_ms = true,
  units = true, request_id = true, traceparent = true}
local untold_fields = {hinted_ms = true, prepared = true, worker = true, previews = true, checkpoint = true,
  closed = true, turn = true, contract = true}
local kept_events = 10000
local function events_key(id) return prefix .. 'events:' .. id end
local function deliveries_key(id) return prefix .. 'deliveries:' .. id end
local function delivery_key(name) return prefix .. 'delivery:' .. name end

-- The outbox: when each message of a caller is due, and the callers by the first of theirs. So one with thousands of
-- messages is as quickly passed over as one with a single message.
local due_key = prefix .. 'deliveries:callers'
local function due_of(caller) return prefix .. 'deliveries:due:' .. caller end
local function follow_first(caller)
  local first = redis.call('ZRANGE', due_of(caller), 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', due_key, first[2], caller) else redis.call('ZREM', due_key, caller) end
end

local function set_due(caller, name, ms)
  redis.call('ZADD', due_of(caller), ms, name)
  follow_first(caller)
end

local function drop_due(caller, name)
  redis.call('ZREM', due_of(caller), name)
  follow_first(caller)
end

local function forget_message(name) redis.call('DEL', delivery_key(name), delivery_key(name) .. ':attempts') end

-- Puts a webhook's message into the outbox, if the job's caller wants to hear of this state; once per job and state.
local function notify(id, shown)
  local webhook = cjson.decode(get(id, 'options') or '{}').webhook
  if type(webhook) ~= 'table' then return end
  local event, wanted = 'job.' .. get(id, 'state'), false
  for _, name in ipairs(webhook.events) do wanted = wanted or name == event end
  if not wanted or redis.call('LPOS', deliveries_key(id), event) then return end
  local n = redis.call('RPUSH', deliveries_key(id), event)
  local name = id .. ':' .. n
  redis.call('HSET', delivery_key(name), 'id', 'msg_' .. id .. '_' .. n, 'job_id', id, 'n', n, 'event', event,
    'caller', get(id, 'caller'), 'url', webhook.url, 'state', 'pending', 'created_ms', now, 'due_ms', now,
    'placed', cjson.encode(shown))
  set_due(get(id, 'caller'), name, now)
end

-- What is counted of an ended job: its state with the code of its error, and the seconds of its stages.
local function count_end(id, state)
  local error_ = get(id, 'error')
  count('jobs_ended', state, error_ and cjson.decode(error_).code or '')
  for stage, seconds in pairs(cjson.decode(get(id, 'seconds') or '{}')) do
    redis.call('HINCRBYFLOAT', counters_key, 'stage_seconds|' .. stage, seconds)
    count('stage_count', stage)
  end
end

-- Counts the denoising steps between two reports of progress; the first of a worker that goes on follows the checkpoint.
local function count_steps(id, before, after)
  local from, to = before and cjson.decode(before) or {}, cjson.decode(after)
  if to.stage ~= 'denoise' then return end
  local kept = from.stage ~= 'denoise' and get(id, 'checkpoint')
  if kept then from = cjson.decode(kept).progress end
  local steps = to.step - (from.stage == 'denoise' and from.step or 0)
  if steps > 0 then redis.call('HINCRBY', counters_key, 'steps', steps) end
end

-- A job that is taken once more goes on from its checkpoint. Counts what is done again; replies where it goes on, or nil.
local function resume(id)
  local kept = get(id, 'checkpoint')
  local goes_on = kept and cjson.decode(kept).progress
  local came_to = cjson.decode(get(id, 'progress') or '{}')
  local again = came_to.stage == 'denoise' and came_to.step - (goes_on and goes_on.step or 0) or 0
  if again > 0 then redis.call('HINCRBY', counters_key, 'steps_repeated', again) end
  if not goes_on then return nil end
  redis.call('HINCRBY', job_key(id), 'resumes', 1)
  count('resumed')
  return cjson.encode(goes_on)
end

-- Tells of a change, last of all, in the same step as the change itself. Replies the job as `placed` does.
local function emit(id, kind)
  local version = redis.call('HINCRBY', job_key(id), 'version', 1)
  local shown, told = placed(id), {}
  for i = 1, #shown[1], 2 do
    local name = shown[1][i]
    if not static_fields[name] and not untold_fields[name] then
      told[#told + 1] = name
      told[#told + 1] = shown[1][i + 1]
    end
  end
  -- Far beyond what a job tells, since readers come back with the last version that they saw; but a job that is taken and given
  -- back for weeks, while a store is away, must not fill the memory.
  redis.call('XADD', events_key(id), 'MAXLEN', '~', kept_events, version .. '-0', 'kind', kind, 'placed', cjson.encode({told, shown[2], now, shown[4]}))
  redis.call('PUBLISH', prefix .. 'changes', id)
  if kind == 'state' then
    local state = get(id, 'state')
    if not next(legal[state]) then count_end(id, state) end
    notify(id, shown)
  end
  return shown
end

local function disabled_key(caller) return prefix .. 'webhooks:disabled:' .. caller end
local function secrets_key(caller) return prefix .. 'webhooks:secrets:' .. caller end

-- The end of a message: it is kept as long as its job is.
local function settle(name, state)
  local caller, job = unpack(redis.call('HMGET', delivery_key(name), 'caller', 'job_id'))
  drop_due(caller, name)
  redis.call('HSET', delivery_key(name), 'state', state)
  redis.call('HDEL', delivery_key(name), 'due_ms')
  if redis.call('EXISTS', job_key(job)) == 0 then forget_message(name) end
end

-- Generations of the caller's secret that sign now, newest first, each with the ms at which it retires ('' for the newest).
local function secrets(caller)
  local key = secrets_key(caller)
  redis.call('HSETNX', key, 'newest', 1)
  local newest = redis.call('HGET', key, 'newest')
  local found = {newest, ''}
  for generation = newest - 1, 1, -1 do
    local retires = redis.call('HGET', key, generation)
    if not retires or tonumber(retires) <= now then break end
    found[#found + 1] = tostring(generation)
    found[#found + 1] = retires
  end
  return found
end

local function rotate_secret(caller, retires)
  local signing = secrets(caller)
  for i = 1, #signing, 2 do
    local earlier = tonumber(signing[i + 1])
    redis.call('HSET', secrets_key(caller), signing[i], string.format('%d', earlier and math.min(earlier, retires) or retires))
  end
  redis.call('HINCRBY', secrets_key(caller), 'newest', 1)
end
