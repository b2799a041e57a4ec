-- limit, id of the last job of the page before or ''. Records, newest first.
local limit, after = tonumber(ARGV[2]), ARGV[3]
local first = 0
if after ~= '' then
  local rank = redis.call('ZREVRANK', prefix .. 'jobs', after)
  if not rank then return {} end
  first = rank + 1
end
local records = {}
for i, id in ipairs(redis.call('ZREVRANGE', prefix .. 'jobs', first, first + limit - 1)) do
  records[i] = redis.call('HGETALL', job_key(id))
end
return records
