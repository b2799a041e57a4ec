-- Part of every script. KEYS[1]: prefix of all keys. ARGV[1]: JSON object with the script's arguments; an absent one is
-- nil. `args.now_ms` replaces the server's clock, which all workers share; tests use it.
local prefix = KEYS[1]
local args = cjson.decode(ARGV[1])

local function server_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local now = args.now_ms or server_ms()

-- A whole number as text, without an exponent however large it is.
local function integer_text(number) return string.format('%.0f', number) end
