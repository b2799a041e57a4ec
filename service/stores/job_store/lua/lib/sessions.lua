-- Sessions of web pages by the digest of their id.
local function session_key(digest) return prefix .. 'session:' .. digest end
