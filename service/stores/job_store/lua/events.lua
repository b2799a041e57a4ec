-- id, version, limit. What never changes of the record, and the events behind the version, oldest first.
local id, after, limit = ARGV[2], ARGV[3], ARGV[4]
local static = {}
for name in pairs(static_fields) do
  local value = get(id, name)
  if value then
    static[#static + 1] = name
    static[#static + 1] = value
  end
end
if #static == 0 then return {{}, {}} end
return {static, redis.call('XRANGE', events_key(id), '(' .. after .. '-0', '+', 'COUNT', limit)}
