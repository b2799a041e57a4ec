-- id. The record, and its place among those that wait (0 is next, -1 when it does not wait).
local id = ARGV[2]
local queue = get(id, 'queue')
local place = queue and redis.call('ZRANK', waiting_key(queue), id)
return {redis.call('HGETALL', job_key(id)), place or -1}
