-- Returns how many wake-up messages the broker's `lists` hold.
local hints = 0
for _, list in ipairs(args.lists) do hints = hints + redis.call('LLEN', list) end
return hints
