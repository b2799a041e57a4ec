-- candidate. What tells this store from others: the first candidate that was ever given.
redis.call('SET', prefix .. 'identity', ARGV[2], 'NX')
return redis.call('GET', prefix .. 'identity')
