-- id. The description of an upload whose time is not over, or nothing.
local ends = redis.call('ZSCORE', prefix .. 'uploads:ends', ARGV[2])
if not ends or tonumber(ends) <= now then return '' end
return redis.call('HGET', prefix .. 'uploads', ARGV[2]) or ''
