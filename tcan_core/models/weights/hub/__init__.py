"""Downloads from the Hugging Face hub or a mirror: pinned, resumable, verified and locked."""
