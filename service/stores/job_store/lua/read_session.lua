-- requires: sessions
-- Returns the key's id of session `digest`, '' if there is no such session.
return redis.call('GET', session_key(args.digest)) or ''
