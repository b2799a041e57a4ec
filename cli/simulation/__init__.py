"""The service as a seeded discrete-event simulation: waits, use and cost before money is spent."""
