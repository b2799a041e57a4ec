-- requires: idempotency
-- Claims an idempotency key for a request. Arguments: caller, key, fingerprint (of the request), owner, lease_ms.
-- Returns new (the owner has it for lease_ms, also if it had it before), pending (another owner has it), other (the key
-- belongs to another request), or job and its id.
local key = idempotency_key(args.caller, args.key)
local fingerprint, owner, job = unpack(redis.call('HMGET', key, 'fingerprint', 'owner', 'job'))
if fingerprint and fingerprint ~= args.fingerprint then return {'other', ''} end
if job then return {'job', job} end
if owner and owner ~= args.owner then return {'pending', ''} end
redis.call('HSET', key, 'fingerprint', args.fingerprint, 'owner', args.owner)
redis.call('PEXPIRE', key, args.lease_ms)
return {'new', ''}
