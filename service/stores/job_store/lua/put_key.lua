-- requires: api_keys
-- Stores a new API key. Arguments: id, key (JSON).
redis.call('HSET', api_keys_key, args.id, args.key)
return 'ok'
