-- requires: refunds
-- Goes on closing gaps that ended jobs have left in their callers' virtual time. Arguments: limit (of jobs and gaps to
-- pass). Returns for how many callers and priority classes gaps are left.
moves_left = args.limit
while moves_left > 0 do
  local name = redis.call('ZRANGE', gaps_key, 0, 0)[1]
  if not name then break end
  close_gaps(name:match('^(%l+):(.*)$'))
end
return redis.call('ZCARD', gaps_key)
