"""Data that gateway, worker and CLI agree on: pydantic and the standard library, nothing else."""
