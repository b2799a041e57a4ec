"""Puppets: a seeded world of 2D characters with exact keypoints, backgrounds and motions."""
