-- requires: schedules
-- Returns up to `limit` ended jobs whose checkpoints are still stored, in the order of their ends.
return redis.call('ZRANGEBYSCORE', obsolete_checkpoints_key, '-inf', now, 'LIMIT', 0, args.limit)
