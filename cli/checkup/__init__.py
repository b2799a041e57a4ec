"""What `tcan doctor` looks at: one module per area, each a function that yields findings."""
