"""What keeps jobs going and clears away what had its time; in each gateway and each worker."""
