"""Digests of the sizes of a preset's networks, which decide the memory that it takes."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from tcan_core.models.weights.presets import Preset

DENOISING = (
    "denoising_unet",
    "reference_unet",
    "controlnet",
    "motion_modules",
    "controlnet_motion_modules",
)


class Architecture(NamedTuple):
    """Digests of the networks of each stage; presets with equal digests take equal memory."""

    denoising: str
    codec: str


def architecture_of(preset: Preset) -> Architecture:
    """Return the digests of a preset; they do not depend on weights or LoRAs."""
    configs = preset.config_of
    vae, text = configs["vae"], configs["text_encoder"]
    denoising = {name: configs.get(name, {}) for name in DENOISING}
    related = {
        "norm_grouping": preset.norm_grouping,
        "prompt_tokens": text.get("max_position_embeddings", 77) if text else 1,
        "latents": (vae["latent_channels"], len(vae["block_out_channels"]), vae.get("patch_size")),
    }
    return Architecture(_digest(denoising | related), _digest(vae))


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
