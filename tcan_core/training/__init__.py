"""Training: one loop, and per stage its trained modules, data and loss."""
