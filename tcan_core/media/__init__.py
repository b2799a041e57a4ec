"""Video and image files in and out: pixels are uint8 0..255, (height, width, 3), RGB."""
