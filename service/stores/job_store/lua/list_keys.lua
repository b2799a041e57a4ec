-- requires: api_keys
-- Returns the descriptions of all API keys.
return redis.call('HVALS', api_keys_key)
