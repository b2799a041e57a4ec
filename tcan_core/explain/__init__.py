"""Pictures of why an animation looks as it does: attention, temperature, poses, guidance."""
