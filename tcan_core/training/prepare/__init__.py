"""Preparation of videos as training data: shot cuts, quality checks, cropping and encoding."""
