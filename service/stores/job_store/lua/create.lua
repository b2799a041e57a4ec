-- id, queue, caller, units, idempotency key or '', for how long it is kept in ms, name of the broker's list, hint or '',
-- the caller's limits or '', bytes of the inputs, ms of the driver, uploads among the inputs, the key's owner, then fields
-- and values. Replies the record and its place; raises QUOTA when the caller has too much, CLAIM when the key is no longer
-- the owner's. Creating the same job again changes nothing.
local id, queue, caller, units, key, keep_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local limits, bytes, ms = ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12])
if redis.call('EXISTS', job_key(id)) == 0 then
  if key ~= '' then hold_claim(caller, key, ARGV[14]) end
  if limits ~= '' then
    for upload in string.gmatch(ARGV[13], '[^,]+') do bytes = bytes - counted(upload) end
    weigh(caller, cjson.decode(limits), 1, bytes, ms)
    use(caller, bytes, ms)
    for upload in string.gmatch(ARGV[13], '[^,]+') do redis.call('HDEL', counted_key, upload) end
  end
  set(id, 'id', id, 'state', 'queued', 'queue', queue, 'caller', caller, 'created_ms', now, 'hinted_ms', now,
    'waiting_since_ms', now, 'units', units, unpack(ARGV, 15))
  estimate(id)
  redis.call('ZADD', jobs_key(caller), now, id)
  redis.call('ZADD', jobs_key(caller, 'queued'), now, id)
  give_turn(id)
  stand_in_line(id, queue)
  local deadline_s = option(id, 'start_deadline_s')
  if deadline_s then redis.call('ZADD', deadlines_key, now + deadline_s * 1000, id) end
  if key ~= '' then
    redis.call('HSET', idempotency_key(caller, key), 'job', id)
    redis.call('PEXPIRE', idempotency_key(caller, key), keep_ms)
  end
  if ARGV[9] ~= '' then redis.call('LPUSH', ARGV[8], ARGV[9]) end
  return emit(id, 'state')
end
return placed(id)
