"""A seeded discrete-event simulation of the service: waits, use and cost of a deployment."""
