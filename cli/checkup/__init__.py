"""The checks of `tcan doctor`: one module per area, whose `check` yields findings."""
