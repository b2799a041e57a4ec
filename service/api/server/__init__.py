"""The HTTP server of a gateway: limits on connections, and on requests that arrive slowly."""
