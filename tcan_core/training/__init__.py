"""Training: one flat loop, and for each stage what it learns, from which data, by which loss."""
