"""Invisible watermarks in videos.

`pattern` defines a watermark, `embed` adds it to frames, `detect` finds it.
"""
