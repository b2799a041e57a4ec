-- requires: records, leases, events
-- Adds a preview's object key. Arguments: id, token, key. Returns held, cancel or lost.
local id = args.id
if not holds_lease(id, args.token) then return 'lost' end
local keys = cjson.decode(get(id, 'previews') or '[]')
keys[#keys + 1] = args.key
set(id, 'previews', cjson.encode(keys), 'preview_count', #keys)
emit(id, 'preview')
return lease_status(id)
