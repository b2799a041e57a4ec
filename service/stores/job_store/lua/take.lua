-- id or '' for the job whose turn it is, queue, state while leased, worker, lease in ms, progress, the highest contract that the
-- worker knows, name of this take. Replies the record, or nothing when the job does not wait here, or is of a later contract.
-- A take is done once: the same again, because its reply was lost, finds its own lease.
local id, queue, state, worker, lease_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local contract = tonumber(ARGV[8])
local take_key, remembered_ms = prefix .. 'take:' .. ARGV[9], 60000
local function remember(taken) redis.call('SET', take_key, taken, 'PX', remembered_ms) end
local done = redis.call('GET', take_key)
if done then
  local job, token = done:match('^(.*):(%d+)$')
  if not (job and holds(job, token)) then return {} end
  redis.call('ZADD', leases_key, now + lease_ms, job)
  return redis.call('HGETALL', job_key(job))
end
local function known(job) return tonumber(get(job, 'contract') or 1) <= contract end
-- The first that the worker knows: while releases are mixed, later ones wait for a worker of theirs.
local function first_known()
  for from = 0, redis.call('ZCARD', waiting_key(queue)) - 1, 100 do
    for _, job in ipairs(redis.call('ZRANGE', waiting_key(queue), from, from + 99)) do
      if known(job) then return job end
    end
  end
  return ''
end
if id == '' then id = first_known() elseif not known(id) then return {} end
if redis.call('ZSCORE', waiting_key(queue), id) == false then
  remember('none')
  return {}
end
move(id, state)
leave_line(id)
follow(id)
redis.call('ZADD', leases_key, now + lease_ms, id)
redis.call('HINCRBY', job_key(id), 'token', 1)
redis.call('HINCRBY', job_key(id), 'attempts', 1)
if redis.call('HSETNX', job_key(id), 'started_ms', now) == 1 then
  local deadline_s = option(id, 'run_deadline_s')
  redis.call('ZREM', deadlines_key, id)
  if deadline_s then redis.call('ZADD', deadlines_key, now + deadline_s * 1000, id) end
end
account(id, 'waiting_since_ms', 'waited_ms')
set(id, 'worker', worker, 'progress', resume(id) or ARGV[7], 'taken_ms', now)
remember(id .. ':' .. get(id, 'token'))
emit(id, 'state')
return redis.call('HGETALL', job_key(id))
