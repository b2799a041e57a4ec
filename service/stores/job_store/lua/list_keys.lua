-- Descriptions of all keys.
return redis.call('HVALS', keys_key)
