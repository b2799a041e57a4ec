-- requires: uploads
-- Returns the description of each upload in `ids`; '' if it has expired or does not exist.
local found = {}
for i, id in ipairs(args.ids) do
  local ends = redis.call('ZSCORE', upload_ends_key, id)
  found[i] = ends and tonumber(ends) > now and redis.call('HGET', uploads_key, id) or ''
end
return found
