"""Files from the Hugging Face hub or a mirror of it: pinned, resumed, verified, locked."""
