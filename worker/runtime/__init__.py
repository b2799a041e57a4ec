"""Runtime of a worker process: lease, heartbeat, stall detector, shutdown."""
