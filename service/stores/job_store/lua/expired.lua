-- limit. Ids of ended jobs whose time is over. Only ended jobs ever stand in this set.
return redis.call('ZRANGEBYSCORE', expiries_key, '-inf', now, 'LIMIT', 0, ARGV[2])
