-- requires: api_keys
-- Revokes API key `id`; a key that is revoked already keeps its time. Returns whether the key exists.
local text = redis.call('HGET', api_keys_key, args.id)
if not text then return 0 end
local key = cjson.decode(text)
if not key.revoked_ms or key.revoked_ms == cjson.null then
  -- Edited as text: cjson would encode an empty list as an object.
  redis.call('HSET', api_keys_key, args.id, (text:gsub('"revoked_ms":null', '"revoked_ms":' .. integer_text(now), 1)))
end
return 1
