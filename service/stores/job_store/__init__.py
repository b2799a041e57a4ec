"""Jobs in Redis: commands as Lua scripts, and the connections that run them."""
