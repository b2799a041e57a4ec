-- role, who, for how long in ms. Whether `who` has the role: the holder keeps it, a free one is taken.
local key, who, lease_ms = prefix .. 'role:' .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local holder = redis.call('GET', key)
if holder and holder ~= who then return 0 end
redis.call('SET', key, who, 'PX', lease_ms)
return 1
