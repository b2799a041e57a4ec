-- requires: uploads, quotas
-- Deletes the description of upload `id`, whose file is deleted.
local description = redis.call('HGET', uploads_key, args.id)
if description then redis.call('ZREM', caller_uploads_key(cjson.decode(description).caller), args.id) end
redis.call('HDEL', uploads_key, args.id)
redis.call('HDEL', counted_key, args.id)
redis.call('ZREM', upload_ends_key, args.id)
return 'ok'
