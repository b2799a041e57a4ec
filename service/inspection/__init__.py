"""Inspection of uploaded files: formats, sizes and lengths, before a job is made of them."""
