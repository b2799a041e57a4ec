-- requires: api_keys
-- Returns whether an API key was ever created.
return redis.call('EXISTS', api_keys_key)
