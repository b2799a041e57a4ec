"""What steers the model: keypoints, their cleaning and retargeting, drawn skeletons, temperature maps."""
