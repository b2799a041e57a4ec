"""Results say what they are: a signed C2PA manifest in the file, a mark in the pictures."""
