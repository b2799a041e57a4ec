-- caller, '' or for how long older secrets go on signing when a new one is made, in ms. Generations and ends, newest first.
if ARGV[3] ~= '' then rotate_secret(ARGV[2], now + tonumber(ARGV[3])) end
return secrets(ARGV[2])
