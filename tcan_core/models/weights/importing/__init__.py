"""Weights of other programs, in the formats that users bring, into the parts of a preset."""
