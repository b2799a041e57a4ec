"""Videos become training clips: cut, looked at, sorted out, encoded."""
