-- requires: records
-- Returns those of `ids` that have no record.
local missing = {}
for _, id in ipairs(args.ids) do
  if redis.call('EXISTS', job_key(id)) == 0 then missing[#missing + 1] = id end
end
return missing
