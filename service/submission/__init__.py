"""Receiving a job's inputs: in the request body, from a URL, from an upload."""
