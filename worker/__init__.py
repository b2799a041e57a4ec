"""The worker: takes jobs by lease, animates, and writes what came of it."""
