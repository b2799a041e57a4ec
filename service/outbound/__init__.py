"""The way out: every connection that the service makes because a caller named an address."""
