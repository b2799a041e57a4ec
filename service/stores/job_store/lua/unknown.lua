-- ids. Those of which there is no record.
local found = {}
for i = 2, #ARGV do
  if redis.call('EXISTS', job_key(ARGV[i])) == 0 then found[#found + 1] = ARGV[i] end
end
return found
