-- id, token, key. The job has one more preview; a cancel that was asked for shows in the reply, as with `renew`.
local id, token, key = ARGV[2], ARGV[3], ARGV[4]
if not holds(id, token) then return 'lost' end
local keys = cjson.decode(get(id, 'previews') or '[]')
keys[#keys + 1] = key
set(id, 'previews', cjson.encode(keys), 'preview_count', #keys)
emit(id, 'preview')
return cancel_requested(id) and 'cancel' or 'held'
