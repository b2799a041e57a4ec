-- Uploads: descriptions, and ids by the time at which they expire.
local uploads_key = prefix .. 'uploads'
local upload_ends_key = prefix .. 'uploads:ends'
