-- requires: queues
-- Sends a wake-up message through the broker's list. Arguments: id, list, hint. A script, so that it is allowed when
-- memory is full.
return redis.call('LPUSH', hint_list(args.list, args.id), args.hint)
