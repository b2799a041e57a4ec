-- Idempotency keys. A key leads to its job once there is one; before, one request owns it.
local function idempotency_key(caller, key) return prefix .. 'idempotency:' .. caller .. ':' .. key end
