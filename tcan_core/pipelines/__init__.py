"""From inputs to results: pixels and poses to frames, files to files."""
