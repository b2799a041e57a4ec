-- caller, idempotency key, fingerprint of the request, owner, for how long in ms.
-- Replies new, pending, other (the key belongs to another request), or job and its id.
local key = idempotency_key(ARGV[2], ARGV[3])
if redis.call('EXISTS', key) == 0 then
  redis.call('HSET', key, 'fingerprint', ARGV[4], 'owner', ARGV[5])
  redis.call('PEXPIRE', key, ARGV[6])
  return {'new', ''}
end
if redis.call('HGET', key, 'fingerprint') ~= ARGV[4] then return {'other', ''} end
local job = redis.call('HGET', key, 'job')
return job and {'job', job} or {'pending', ''}
