-- Returns the identity of this job store: the first candidate that was ever given. Arguments: candidate.
redis.call('SET', prefix .. 'identity', args.candidate, 'NX')
return redis.call('GET', prefix .. 'identity')
