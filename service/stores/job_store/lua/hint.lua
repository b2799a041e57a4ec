-- name of the broker's list, hint. As a script of ours it is sent also when memory is full.
return redis.call('LPUSH', ARGV[2], ARGV[3])
