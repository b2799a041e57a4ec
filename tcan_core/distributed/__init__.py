"""Process groups: processes that share the windows of one video."""
