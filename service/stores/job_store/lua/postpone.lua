-- Postpones what could not be erased. Arguments: set (of ids by the time at which they expire), id, ms.
return redis.call('ZADD', prefix .. args.set, 'XX', now + args.ms, args.id)
