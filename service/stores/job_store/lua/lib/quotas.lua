-- requires: records
-- Limits of callers, and what they used today (UTC).
local day_ms = 24 * 3600 * 1000
local function today() return integer_text(math.floor(now / day_ms)) end
local function usage_key(caller) return prefix .. 'usage:' .. caller .. ':' .. today() end

-- Raises QUOTA with the limit's name, the amount used, the amount asked for, the limit, and the seconds until more is
-- free (0: when one of the caller's jobs begins).
local function check_quota(caller, limits, jobs, bytes, ms, forms)
  local used = redis.call('HMGET', usage_key(caller), 'bytes', 'ms', 'forms')
  local tomorrow_s = math.ceil((day_ms - now % day_ms) / 1000)
  local rows = {
    {'queued_jobs', redis.call('ZCARD', jobs_key(caller, 'queued')), jobs, 1, 0},
    {'input_bytes_per_day', tonumber(used[1] or 0), bytes, 1, tomorrow_s},
    {'driving_s_per_day', tonumber(used[2] or 0), ms, 1000, tomorrow_s},
    {'upload_forms_per_day', tonumber(used[3] or 0), forms or 0, 1, tomorrow_s},
  }
  for _, row in ipairs(rows) do
    local name, has, more, unit, retry_s = unpack(row)
    local limit = limits[name]
    if limit and has + more > limit * unit then
      local numbers = {has / unit, more / unit, limit, retry_s}
      for i, number in ipairs(numbers) do numbers[i] = string.format('%.15g', number) end
      error({err = 'QUOTA ' .. name .. ' ' .. table.concat(numbers, ' ')})
    end
  end
end

local function add_usage(caller, bytes, ms)
  redis.call('HINCRBY', usage_key(caller), 'bytes', integer_text(bytes))
  redis.call('HINCRBY', usage_key(caller), 'ms', integer_text(ms))
  redis.call('PEXPIRE', usage_key(caller), 2 * day_ms)
end

local function add_forms(caller, forms)
  redis.call('HINCRBY', usage_key(caller), 'forms', forms)
  redis.call('PEXPIRE', usage_key(caller), 2 * day_ms)
end

-- An upload form's bytes count when the form is made. The first job that uses the upload counts the real size instead.
local counted_key = prefix .. 'uploads:counted'
local function counted_bytes(upload)
  local day, bytes = string.match(redis.call('HGET', counted_key, upload) or '', '^(%d+) (%d+)$')
  return day == today() and tonumber(bytes) or 0
end
