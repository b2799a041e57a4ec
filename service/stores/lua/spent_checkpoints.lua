-- limit. Ended jobs whose checkpoints nobody will need, in the order of their ends.
return redis.call('ZRANGE', spent_key, 0, ARGV[2] - 1)
