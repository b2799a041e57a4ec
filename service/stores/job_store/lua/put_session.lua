-- requires: sessions
-- Stores a session; ends those of its key that would be more than max_sessions, the oldest first. Arguments: digest, key_id,
-- ms (its lifetime), max_sessions.
local of_key = key_sessions_key(args.key_id)
redis.call('ZREMRANGEBYSCORE', of_key, '-inf', now)
for _, digest in ipairs(redis.call('ZRANGE', of_key, 0, -args.max_sessions)) do
  redis.call('DEL', session_key(digest))
  redis.call('ZREM', of_key, digest)
end
redis.call('SET', session_key(args.digest), args.key_id, 'PX', args.ms)
redis.call('ZADD', of_key, now + args.ms, args.digest)
redis.call('PEXPIRE', of_key, args.ms)
return 'ok'
