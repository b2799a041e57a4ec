-- Counters of the whole service, shown at `/metrics`. A counter's name is its parts, joined by `|`.
local counters_key = prefix .. 'counters'
local function count(...) redis.call('HINCRBY', counters_key, table.concat({...}, '|'), 1) end
local function count_by(name, amount) redis.call('HINCRBY', counters_key, name, amount) end
