"""Outputs of a worker: progress, previews, checkpoints, manifest and provenance."""
