-- requires: records, events
-- Returns the job's static fields and up to `limit` events after version `after`, oldest first. Arguments: id, after,
-- limit.
local static = {}
for name in pairs(static_fields) do
  local value = get(args.id, name)
  if value then
    static[#static + 1] = name
    static[#static + 1] = value
  end
end
if #static == 0 then return {{}, {}} end
return {static, redis.call('XRANGE', events_key(args.id), '(' .. integer_text(args.after) .. '-0', '+', 'COUNT', args.limit)}
