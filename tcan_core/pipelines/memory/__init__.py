"""What memory a run takes: measured by accounting, looked up by a planner."""
