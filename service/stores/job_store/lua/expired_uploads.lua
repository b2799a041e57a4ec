-- requires: uploads
-- Returns up to `limit` ids of expired uploads.
return redis.call('ZRANGEBYSCORE', upload_ends_key, '-inf', now, 'LIMIT', 0, args.limit)
