-- Heartbeats of workers: descriptions, ids by the time at which they expire, and the ready workers of each queue, also by preset.
local all_workers_key = prefix .. 'workers'
local alive_workers_key = prefix .. 'workers:alive'
local function workers_key(queue, preset) return prefix .. 'workers:' .. queue .. (preset and ':' .. preset or '') end
