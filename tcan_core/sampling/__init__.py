"""From noise to latents: context windows, their fusion, schedulers and the denoising loop."""
