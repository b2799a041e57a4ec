-- requires: api_keys
-- Returns the description of API key `id`, '' if there is none.
return redis.call('HGET', api_keys_key, args.id) or ''
