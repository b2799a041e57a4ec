"""Puppets: a procedural, seeded world of 2D characters with exact keypoints, backgrounds and motions."""
