-- Descriptions of API keys, including revoked ones.
local api_keys_key = prefix .. 'keys'
