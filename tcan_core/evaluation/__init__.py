"""Evaluation: metrics against ground truth, reports over pairs, and differences with intervals."""
