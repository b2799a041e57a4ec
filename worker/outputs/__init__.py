"""What a worker writes: progress, previews, checkpoints, manifest and provenance."""
