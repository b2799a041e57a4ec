-- requires: counters
-- Counts a worker that restarts itself because it claimed no job although wake-up messages waited.
count('worker_restarts')
return 'ok'
