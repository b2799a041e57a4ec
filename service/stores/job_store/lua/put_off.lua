-- set, member, ms. What could not be erased now comes up again after this time, behind the others.
return redis.call('ZADD', prefix .. ARGV[2], 'XX', now + ARGV[4], ARGV[3])
