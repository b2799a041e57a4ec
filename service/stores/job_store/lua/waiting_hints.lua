-- names of the broker's lists. How many messages are in them.
local hints = 0
for i = 2, #ARGV do hints = hints + redis.call('LLEN', ARGV[i]) end
return hints
