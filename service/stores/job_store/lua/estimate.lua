-- requires: throughput
-- Returns the expected ms of a job of a kind with so many units, the mean relative error of past estimates ('' without
-- any) and their number; nothing before such a job has ended. Arguments: kind, units.
local per_unit, base, _, mean_error, estimates = throughput(args.kind)
if not per_unit then return {} end
return {tostring(base + per_unit * args.units), mean_error and tostring(mean_error) or '', tostring(estimates)}
