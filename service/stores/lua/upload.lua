-- id, description, life in ms. Notes that a caller may upload a file.
redis.call('HSET', prefix .. 'uploads', ARGV[2], ARGV[3])
redis.call('ZADD', prefix .. 'uploads:ends', now + tonumber(ARGV[4]), ARGV[2])
return 'ok'
