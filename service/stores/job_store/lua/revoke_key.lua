-- id. The key is of no use from now on; what was revoked before keeps its time. Whether there is such a key.
local text = redis.call('HGET', keys_key, ARGV[2])
if not text then return 0 end
local key = cjson.decode(text)
if not key.revoked_ms or key.revoked_ms == cjson.null then
  -- Written into the text: decoding and encoding again would make an object of an empty list.
  redis.call('HSET', keys_key, ARGV[2], (text:gsub('"revoked_ms":null', '"revoked_ms":' .. whole(now), 1)))
end
return 1
