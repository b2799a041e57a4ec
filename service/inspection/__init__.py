"""Inspection of uploaded files before a job is created.

Callers' bytes are decoded only in child processes that this package starts.
"""
