-- requires: sessions
-- Stores a session. Arguments: digest, key_id, ms (its lifetime).
redis.call('SET', session_key(args.digest), args.key_id, 'PX', args.ms)
return 'ok'
