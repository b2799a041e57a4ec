"""Outgoing connections to hosts that callers name."""
