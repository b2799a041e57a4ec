"""Cleaning of detected poses: choose one person, repair and smooth its poses."""
