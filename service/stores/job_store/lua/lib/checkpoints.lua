-- requires: records, counters
-- Resuming from checkpoints, and counting denoising steps.

-- Counts the steps between two progress reports. The first report of a worker that resumed follows the checkpoint.
local function count_steps(id, before, after)
  local from, to = before and cjson.decode(before) or {}, cjson.decode(after)
  if to.stage ~= 'denoise' then return end
  local checkpoint = from.stage ~= 'denoise' and get(id, 'checkpoint')
  if checkpoint then from = cjson.decode(checkpoint).progress end
  local steps = to.step - (from.stage == 'denoise' and from.step or 0)
  if steps > 0 then count_by('steps', steps) end
end

-- Counts the steps that a claimed job repeats. Returns the progress at its checkpoint, or nil if there is none.
local function resume(id)
  local checkpoint = get(id, 'checkpoint')
  local resumed = checkpoint and cjson.decode(checkpoint).progress
  local reached = cjson.decode(get(id, 'progress') or '{}')
  local repeated = reached.stage == 'denoise' and reached.step - (resumed and resumed.step or 0) or 0
  if repeated > 0 then count_by('steps_repeated', repeated) end
  if not resumed then return nil end
  redis.call('HINCRBY', job_key(id), 'resumes', 1)
  count('resumed')
  return cjson.encode(resumed)
end
