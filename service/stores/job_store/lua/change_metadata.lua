-- requires: records, snapshots
-- Changes a job's metadata. Arguments: id, changes (values by name; null removes one), max (names), contract (that a
-- worker needs to read metadata). Returns the snapshot, nothing for an unknown job. Raises METADATA with more than `max`
-- names; nothing is changed then.
local id = args.id
local text = get(id, 'options')
if not text then return snapshot(id) end
local options = cjson.decode(text)
local metadata, names = type(options.metadata) == 'table' and options.metadata or {}, 0
for name, value in pairs(args.changes) do
  if value == cjson.null then metadata[name] = nil else metadata[name] = value end
end
for _ in pairs(metadata) do names = names + 1 end
if names > args.max then error({err = 'METADATA ' .. integer_text(names)}) end
for _, key in ipairs(index_keys(id)) do redis.call('ZREM', key, id) end
options.metadata = names > 0 and metadata or nil
set(id, 'options', cjson.encode(options))
add_to_index(id)
if names > 0 and tonumber(get(id, 'contract') or 1) < args.contract then set(id, 'contract', args.contract) end
return snapshot(id)
