"""What steers the model: keypoints, cleaned and retargeted, drawn skeletons, temperature maps."""
