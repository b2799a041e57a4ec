"""Formats of weights, and their recognition by keys."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from tcan_core.errors import WeightsError


class Kind(StrEnum):
    """A format that `tcan models import` reads."""

    UNET = "unet"
    VAE = "vae"
    TINY_VAE = "tiny-vae"
    TEXT_ENCODER = "text-encoder"
    CONTROLNET = "controlnet"
    MOTION_ADAPTER = "motion-adapter"
    LDM = "ldm"
    LDM_VAE = "ldm-vae"
    LDM_CONTROLNET = "ldm-controlnet"
    ANIMATEDIFF = "animatediff"
    OFFICIAL_UNET = "official-unet"
    OFFICIAL_REFERENCE = "official-appearance-encoder"
    OFFICIAL_CONTROLNET = "official-controlnet"
    POSE_GUIDER = "pose-guider"
    IMAGE_ENCODER = "image-encoder"
    LORA = "lora"


_LORA_INFIXES = (".lora_down.", ".lora_up.", "lora.down.", "lora.up.", ".lora_A.", ".lora_B.")
_LAST_LAYERS = ("conv_norm_out.", "conv_out.")


def without_wrapper(name: str) -> str:
    """Drop the prefixes that distributed training and training wrappers add to a key."""
    return name.removeprefix("module.").removeprefix("unet.")


def guess_kind(names: Iterable[str], where: str) -> Kind:
    """Recognise a format by its keys.

    No single key decides, so that a file with missing keys is recognised as well.

    Args:
        names: keys of the file.
        where: name of the file, for the error message.

    Raises:
        WeightsError: the format is unknown.
    """
    keys = [without_wrapper(name) for name in names]
    kind = _guess_wrapped(keys) or _guess_diffusers(keys)
    if kind is None:
        raise WeightsError(
            f"{where}: unknown format; its first keys are {', '.join(sorted(keys)[:3])}. "
            f"Name it with --kind, one of {', '.join(Kind)}"
        )
    return kind


def _guess_wrapped(keys: list[str]) -> Kind | None:
    """Recognise LoRAs and the formats of programs other than diffusers."""
    if _any_has(keys, ".base_layer."):
        return Kind.OFFICIAL_UNET
    if any(_any_has(keys, infix) for infix in _LORA_INFIXES):
        return Kind.LORA
    if _any_has(keys, "control_model.") or _any_has(keys, "input_hint_block."):
        return Kind.LDM_CONTROLNET
    if _any_begins(keys, "model.diffusion_model."):
        return Kind.LDM
    if _any_begins(keys, "first_stage_model.") or _any_begins(keys, "encoder.down."):
        return Kind.LDM_VAE
    return None


def _guess_diffusers(keys: list[str]) -> Kind | None:
    """Recognise formats with the key names of diffusers or transformers."""
    has_motion, has_unet = _any_has(keys, "motion_modules."), _any_begins(keys, "conv_in.")
    if _any_begins(keys, "controlnet_"):
        return Kind.OFFICIAL_CONTROLNET if has_motion else Kind.CONTROLNET
    if has_motion and has_unet:
        return Kind.OFFICIAL_UNET
    if has_motion:
        animatediff = _any_has(keys, ".temporal_transformer.")
        return Kind.ANIMATEDIFF if animatediff else Kind.MOTION_ADAPTER
    if _any_begins(keys, "encoder.down_blocks."):
        return Kind.VAE
    if _any_begins(keys, "decoder.layers."):
        return Kind.TINY_VAE
    if _any_has(keys, "embeddings.token_embedding."):
        return Kind.TEXT_ENCODER
    if _any_has(keys, "embeddings.patch_embedding."):
        return Kind.IMAGE_ENCODER
    if has_unet and _any_begins(keys, "blocks."):
        return Kind.POSE_GUIDER
    if has_unet and _any_begins(keys, "up_blocks."):
        has_last_layers = any(_any_begins(keys, name) for name in _LAST_LAYERS)
        return Kind.UNET if has_last_layers else Kind.OFFICIAL_REFERENCE
    return None


def _any_has(keys: list[str], infix: str) -> bool:
    return any(infix in key for key in keys)


def _any_begins(keys: list[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)
