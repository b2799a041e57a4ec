-- requires: uploads
-- Returns those of `ids` that are not listed as uploads; an expired one is until its objects are deleted.
local missing = {}
for _, id in ipairs(args.ids) do
  if not redis.call('ZSCORE', upload_ends_key, id) then missing[#missing + 1] = id end
end
return missing
