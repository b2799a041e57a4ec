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
    vae, text = configs["vae"], configs.get("text_encoder")
    denoising = {name: configs.get(name, {}) for name in DENOISING}
    if "pose_guider" in configs:
        denoising["pose_guider"] = configs["pose_guider"]
    related = {
        "norm_grouping": preset.norm_grouping,
        "prompt_tokens": text.get("max_position_embeddings", 77) if text else 1,
        "latents": (vae["latent_channels"], len(vae["block_out_channels"]), vae.get("patch_size")),
    }
    if preset.text == "image" or preset.reference.blocks == "all":  # guidance shares no encoder
        related |= {"text": preset.text, "reference": preset.reference.blocks}
    return Architecture(_digest(denoising | related), _digest(vae))


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
