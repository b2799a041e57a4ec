"""The worker: claims jobs by lease, animates, and stores the results."""
