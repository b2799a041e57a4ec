-- caller, idempotency key, fingerprint of the request, owner, for how long in ms.
-- Replies new (it is the owner's, also when it was before: then for as long again), pending (another owner has it), other
-- (the key belongs to another request), or job and its id.
local key = idempotency_key(ARGV[2], ARGV[3])
local fingerprint, owner, job = unpack(redis.call('HMGET', key, 'fingerprint', 'owner', 'job'))
if fingerprint and fingerprint ~= ARGV[4] then return {'other', ''} end
if job then return {'job', job} end
if owner and owner ~= ARGV[5] then return {'pending', ''} end
redis.call('HSET', key, 'fingerprint', ARGV[4], 'owner', ARGV[5])
redis.call('PEXPIRE', key, ARGV[6])
return {'new', ''}
