-- requires: schedules
-- Returns up to `limit` ids of ended jobs whose retention time has passed.
return redis.call('ZRANGEBYSCORE', expiries_key, '-inf', now, 'LIMIT', 0, args.limit)
