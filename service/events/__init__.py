"""Events of jobs on their way to many readers."""
