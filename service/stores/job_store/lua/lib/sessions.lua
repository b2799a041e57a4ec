-- Sessions of web pages by the digest of their id, and the digests of each key's sessions by the time at which they end.
local function session_key(digest) return prefix .. 'session:' .. digest end
local function key_sessions_key(key_id) return prefix .. 'sessions:of:' .. key_id end
