"""What keeps a worker process alive and in order: lease, heartbeat, stall detection, shutdown."""
