-- ids. Of each upload its description, or '' when its time is over or there is none.
local found = {}
for i = 2, #ARGV do
  local ends = redis.call('ZSCORE', prefix .. 'uploads:ends', ARGV[i])
  found[#found + 1] = ends and tonumber(ends) > now and redis.call('HGET', prefix .. 'uploads', ARGV[i]) or ''
end
return found
