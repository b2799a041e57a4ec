"""The networks: diffusers' and peft's classes, and what TCAN adds to them."""
