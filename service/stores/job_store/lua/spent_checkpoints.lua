-- limit. Ended jobs whose checkpoints nobody will need, in the order of their ends.
return redis.call('ZRANGEBYSCORE', spent_key, '-inf', now, 'LIMIT', 0, ARGV[2])
