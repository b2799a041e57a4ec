-- id. The file of this upload is gone.
redis.call('HDEL', prefix .. 'uploads', ARGV[2])
redis.call('HDEL', counted_key, ARGV[2])
redis.call('ZREM', prefix .. 'uploads:ends', ARGV[2])
return 'ok'
