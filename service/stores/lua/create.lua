-- id, queue, then fields and values. Replies the record and its place. Creating the same job again changes nothing.
local id, queue = ARGV[2], ARGV[3]
if redis.call('EXISTS', job_key(id)) == 0 then
  set(id, 'id', id, 'state', 'queued', 'queue', queue, 'created_ms', now, 'hinted_ms', now, unpack(ARGV, 4))
  redis.call('ZADD', prefix .. 'jobs', now, id)
  redis.call('ZADD', waiting_key(queue), now, id)
end
return placed(id)
