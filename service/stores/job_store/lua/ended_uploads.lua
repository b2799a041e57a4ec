-- limit. Ids of uploads whose time is over.
return redis.call('ZRANGEBYSCORE', prefix .. 'uploads:ends', '-inf', now, 'LIMIT', 0, ARGV[2])
