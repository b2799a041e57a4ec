-- worker, its description, time to live in ms.
redis.call('HSET', prefix .. 'workers', ARGV[2], ARGV[3])
redis.call('ZADD', prefix .. 'workers:alive', now + tonumber(ARGV[4]), ARGV[2])
return 'ok'
