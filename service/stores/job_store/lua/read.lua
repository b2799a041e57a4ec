-- id. The record, and its place among those that wait (0 is next, -1 when it does not wait).
return placed(ARGV[2])
