"""From noise to latents: context windows, their fusion, guidance, schedulers and the denoising
loop."""
