"""Processes that share the windows of one video."""
