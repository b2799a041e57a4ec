-- Holds a role for lease_ms. Arguments: role, holder, lease_ms. Returns whether `holder` has the role: the present
-- holder keeps it, a free role is given.
local key = prefix .. 'role:' .. args.role
local holder = redis.call('GET', key)
if holder and holder ~= args.holder then return 0 end
redis.call('SET', key, args.holder, 'PX', args.lease_ms)
return 1
