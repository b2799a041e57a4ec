"""Import of weights in the formats of other programs into the parts of a preset."""
