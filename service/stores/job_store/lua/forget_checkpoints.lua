-- requires: schedules
-- Records that the checkpoints of ended job `id` are deleted.
redis.call('ZREM', obsolete_checkpoints_key, args.id)
return 'ok'
