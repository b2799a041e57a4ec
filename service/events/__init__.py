"""Distribution of job events to many readers."""
