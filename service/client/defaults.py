"""Default values of the clients."""

from __future__ import annotations

import httpx

DEFAULT_URL = "http://127.0.0.1:8000"
# Sending a big video takes a while; a service that sends nothing for this long is unreachable.
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
POLL_S = 0.5
# Larger files are uploaded to the object store by a signed form instead of through the gateway.
UPLOAD_ABOVE_BYTES = 64 * 1024 * 1024
