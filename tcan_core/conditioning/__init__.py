"""Inputs that control the model: cleaned and retargeted poses, skeletons, temperature maps."""
