-- Uploads: descriptions, ids by the time at which they expire, and ids of each caller by creation time.
local uploads_key = prefix .. 'uploads'
local upload_ends_key = prefix .. 'uploads:ends'
local function caller_uploads_key(caller) return prefix .. 'uploads:of:' .. caller end
