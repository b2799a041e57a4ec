-- requires: counters
-- Counts a worker that restarts itself because it claimed no job although hints waited.
count('worker_restarts')
return 'ok'
