-- Heartbeats of workers: descriptions, ids by the time at which they expire, and the ready workers of each queue.
local all_workers_key = prefix .. 'workers'
local alive_workers_key = prefix .. 'workers:alive'
local function workers_key(queue) return prefix .. 'workers:' .. queue end
