"""Who may use the service: keys, what they open, and how often."""
