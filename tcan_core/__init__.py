"""TCAN: animate an image of a character with the motion of a driving video (arXiv 2407.09012)."""
