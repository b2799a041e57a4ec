-- caller, limits, bytes. Raises QUOTA when the caller may not have another job that brings so many new bytes.
weigh(ARGV[2], cjson.decode(ARGV[3]), 1, tonumber(ARGV[4]), 1)
return 'ok'
