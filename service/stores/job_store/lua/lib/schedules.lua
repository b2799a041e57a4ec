-- Sets of jobs by the time at which something is to be done with them.
local deadlines_key = prefix .. 'deadlines' -- the next deadline of a job that has not ended
local expiries_key = prefix .. 'expiries' -- the end of an ended job's retention time
local obsolete_checkpoints_key = prefix .. 'checkpoints:spent' -- since when an ended job's checkpoints are useless
