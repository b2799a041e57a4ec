-- caller, limits. Raises QUOTA when the caller may not have another job.
weigh(ARGV[2], cjson.decode(ARGV[3]), 1, 1, 1)
return 'ok'
