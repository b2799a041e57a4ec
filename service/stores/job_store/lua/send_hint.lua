-- Sends a wake-up message through the broker's list. Arguments: list, hint. A script, so that it is allowed when memory is full.
return redis.call('LPUSH', args.list, args.hint)
