-- callers with commas, limit, cursor's ms and id (or ''), from ms, to ms (exclusive; both may be infinite), then states (none: all).
-- Records, newest first; of one millisecond, by id. A cursor need not exist any more.
local callers, limit, cursor_ms, cursor_id = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local from, to = ARGV[6], '(' .. ARGV[7]
if cursor_ms ~= '' and tonumber(cursor_ms) < tonumber(ARGV[7]) then to = cursor_ms end
local sets = {}
for caller in callers:gmatch('[^,]+') do
  for i = 8, #ARGV do sets[#sets + 1] = jobs_key(caller, ARGV[i]) end
  if #ARGV < 8 then sets[#sets + 1] = jobs_key(caller) end
end
local found = {}
for _, key in ipairs(sets) do
  local ties = cursor_ms ~= '' and redis.call('ZCOUNT', key, cursor_ms, cursor_ms) or 0
  local pairs_ = redis.call('ZREVRANGEBYSCORE', key, to, from, 'WITHSCORES', 'LIMIT', 0, limit + ties)
  for i = 1, #pairs_, 2 do
    local id, ms = pairs_[i], tonumber(pairs_[i + 1])
    if cursor_ms == '' or ms < tonumber(cursor_ms) or id < cursor_id then found[#found + 1] = {ms, id} end
  end
end
table.sort(found, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
local records = {}
for i = 1, math.min(limit, #found) do records[i] = redis.call('HGETALL', job_key(found[i][2])) end
return records
