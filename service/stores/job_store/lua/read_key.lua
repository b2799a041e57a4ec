-- id. The key's description, or '' when there is none.
return redis.call('HGET', keys_key, ARGV[2]) or ''
