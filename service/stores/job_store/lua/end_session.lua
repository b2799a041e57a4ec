-- requires: sessions
-- Deletes session `digest`.
redis.call('DEL', session_key(args.digest))
return 'ok'
