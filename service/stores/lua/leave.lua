-- worker. It is gone in good order.
redis.call('HDEL', prefix .. 'workers', ARGV[2])
redis.call('ZREM', prefix .. 'workers:alive', ARGV[2])
return 'ok'
