"""Read and write media: images, videos, pose files and watermarks; torch is not needed.

Pixels are uint8 RGB in the range 0..255, of shape (height, width, 3).
"""
