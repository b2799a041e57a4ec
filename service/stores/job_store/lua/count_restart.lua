-- A worker that took nothing although hints waited starts itself again.
count('worker_restarts')
return 'ok'
