"""Caches of intermediate results between windows and steps."""
