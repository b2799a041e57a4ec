-- requires: uploads, quotas
-- Deletes the description of upload `id`, whose file is deleted. With keep_end the upload still ends at its time, when a
-- file that came meanwhile by its form is deleted.
local description = redis.call('HGET', uploads_key, args.id)
if description then redis.call('ZREM', caller_uploads_key(cjson.decode(description).caller), args.id) end
redis.call('HDEL', uploads_key, args.id)
redis.call('HDEL', counted_key, args.id)
if not args.keep_end then redis.call('ZREM', upload_ends_key, args.id) end
return 'ok'
