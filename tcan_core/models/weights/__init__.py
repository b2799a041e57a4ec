"""Presets and weights: loading, import and download."""
