-- Whether there was ever a key.
return redis.call('EXISTS', keys_key)
