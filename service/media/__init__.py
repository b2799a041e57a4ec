"""What callers send, looked at before a job is made of it.

Everything that touches a caller's bytes with a decoder is in this package, behind `inspect`.
"""
