-- requires: records, schedules, fair_queueing, queues, throughput, snapshots, quotas, idempotency, events
-- Creates a job in its first queue. Arguments: id, queue, caller, units, fields (of the record), hint and hint_list
-- (the broker's list), input_bytes, driving_ms, uploads, limits (if the caller has any); with an idempotency key: key,
-- key_owner, key_ttl_ms. Returns the snapshot. Raises QUOTA if a limit is exceeded, CLAIM if the key is not owned by
-- key_owner any more. Creating the same job again changes nothing.
local id, queue, caller, key = args.id, args.queue, args.caller, args.key and idempotency_key(args.caller, args.key)
if redis.call('EXISTS', job_key(id)) == 1 then return snapshot(id) end
if key then
  local owner, job = unpack(redis.call('HMGET', key, 'owner', 'job'))
  if owner ~= args.key_owner or job then error({err = 'CLAIM ' .. args.key .. ' is not held by ' .. args.key_owner}) end
end
local bytes = args.input_bytes
for _, upload in ipairs(args.uploads) do bytes = bytes - counted_bytes(upload) end
if args.limits then check_quota(caller, args.limits, 1, bytes, args.driving_ms) end
add_usage(caller, bytes, args.driving_ms)
for _, upload in ipairs(args.uploads) do redis.call('HDEL', counted_key, upload) end
set(id, 'id', id, 'state', 'queued', 'queue', queue, 'caller', caller, 'created_ms', now, 'hinted_ms', now,
  'waiting_since_ms', now, 'units', args.units)
set_fields(id, args.fields)
store_estimate(id)
add_to_index(id)
assign_virtual_start(id)
enqueue(id, queue)
local deadline_s = option(id, 'start_deadline_s')
if deadline_s then redis.call('ZADD', deadlines_key, now + deadline_s * 1000, id) end
if key then
  redis.call('HSET', key, 'job', id)
  redis.call('PEXPIRE', key, args.key_ttl_ms)
end
if args.hint then redis.call('LPUSH', hint_list(args.hint_list, id), args.hint) end
return emit(id, 'state')
