-- id, description, life in ms, caller, the caller's limits or '', bytes. Notes that a caller may upload a file; raises QUOTA
-- when its bytes, which count from now on, are too many. The same form again, because its reply was lost, counts once.
if redis.call('HEXISTS', prefix .. 'uploads', ARGV[2]) == 1 then return 'ok' end
if ARGV[6] ~= '' then
  weigh(ARGV[5], cjson.decode(ARGV[6]), 0, tonumber(ARGV[7]), 0)
  use(ARGV[5], ARGV[7], 0)
  redis.call('HSET', counted_key, ARGV[2], today() .. ' ' .. ARGV[7])
end
redis.call('HSET', prefix .. 'uploads', ARGV[2], ARGV[3])
redis.call('ZADD', prefix .. 'uploads:ends', now + tonumber(ARGV[4]), ARGV[2])
return 'ok'
