"""The networks of TCAN, built on diffusers' classes."""
