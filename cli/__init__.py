"""The console script `tcan`: one module per command, imported when the command is called."""
