"""Maintenance in each gateway and worker: the reconciler and the sweeper."""
