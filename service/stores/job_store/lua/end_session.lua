-- requires: sessions
-- Deletes session `digest`.
local key_id = redis.call('GET', session_key(args.digest))
if key_id then redis.call('ZREM', key_sessions_key(key_id), args.digest) end
redis.call('DEL', session_key(args.digest))
return 'ok'
