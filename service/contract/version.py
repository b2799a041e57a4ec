"""The number of the contract between gateways and workers of different releases."""

from __future__ import annotations

# Goes up by one when a worker of the release before could not do a job that this one makes, or go
# on with what this one prepared: a new kind, a new meaning of a field, another form of the files
# between the stages. A worker does jobs of its own number and of lower ones; a job with a higher
# one waits for a worker that knows it. Fields that older parts may pass over need no new number.
CONTRACT = 1
# Carried by hints as a header, for whoever looks at the broker; the record decides.
HEADER = "tcan_contract"
