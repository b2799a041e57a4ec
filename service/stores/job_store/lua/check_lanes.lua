-- requires: lanes
-- Puts waiting jobs into the lanes where they belong, as far as an earlier release left them elsewhere. Arguments: queue,
-- limit (of ranks to check). Returns whether every waiting job is in one lane.
redis.call('DEL', waiting_key(args.queue) .. ':presets') -- of that release
check_lanes(args.queue, args.limit)
return is_in_order(args.queue) and 1 or 0
