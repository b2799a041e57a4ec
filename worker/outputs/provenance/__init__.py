"""Provenance of results: a signed C2PA manifest in the file, a watermark in the images."""
