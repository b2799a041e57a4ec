"""Memory planning: measured memory per part, and settings that fit a device."""
