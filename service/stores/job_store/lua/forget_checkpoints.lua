-- id. The checkpoints of this ended job are gone.
redis.call('ZREM', spent_key, ARGV[2])
return 'ok'
