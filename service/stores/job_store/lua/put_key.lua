-- id, description. Keeps a new key.
redis.call('HSET', keys_key, ARGV[2], ARGV[3])
return 'ok'
