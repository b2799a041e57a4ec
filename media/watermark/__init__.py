"""An imperceptible mark in the pictures of a video, and its way back.

`marks` says what a mark is, `embed` lays it over frames, `detect` finds it.
"""
