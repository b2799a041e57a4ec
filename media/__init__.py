"""Reading and writing of media: images, videos, pose files and watermarks. Torch-free.

Pixels are uint8 RGB in the range 0..255, of shape (height, width, 3).
"""
