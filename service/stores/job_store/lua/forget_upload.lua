-- requires: uploads, quotas
-- Deletes the description of upload `id`, whose file is deleted.
redis.call('HDEL', uploads_key, args.id)
redis.call('HDEL', counted_key, args.id)
redis.call('ZREM', upload_ends_key, args.id)
return 'ok'
