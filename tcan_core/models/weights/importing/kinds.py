"""Formats of weights, and how they are told apart by their keys."""

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
    LORA = "lora"


_LORA_MARKS = (".lora_down.", ".lora_up.", "lora.down.", "lora.up.", ".lora_A.", ".lora_B.")
_LAST_LAYERS = ("conv_norm_out.", "conv_out.")


def guess_kind(names: Iterable[str], where: str) -> Kind:
    """Tell a format by its keys; no single key decides, so that a damaged file is told as well.

    Raises:
        WeightsError: they are of no format that is known.
    """
    keys = [name.removeprefix("module.") for name in names]
    found = _guess_wrapped(keys) or _guess_diffusers(keys)
    if found is None:
        raise WeightsError(
            f"{where}: of no known kind; its keys begin with {', '.join(sorted(keys)[:3])}. "
            f"--kind names it: {', '.join(Kind)}"
        )
    return found


def _guess_wrapped(keys: list[str]) -> Kind | None:
    """Tell formats of other programs than diffusers, and LoRAs."""
    if _any_has(keys, ".base_layer."):
        return Kind.OFFICIAL_UNET
    if any(_any_has(keys, mark) for mark in _LORA_MARKS):
        return Kind.LORA
    if _any_has(keys, "control_model.") or _any_has(keys, "input_hint_block."):
        return Kind.LDM_CONTROLNET
    if _any_begins(keys, "model.diffusion_model."):
        return Kind.LDM
    if _any_begins(keys, "first_stage_model.") or _any_begins(keys, "encoder.down."):
        return Kind.LDM_VAE
    return None


def _guess_diffusers(keys: list[str]) -> Kind | None:
    """Tell what goes by the names of diffusers or transformers."""
    moving, whole = _any_has(keys, "motion_modules."), _any_begins(keys, "conv_in.")
    if _any_begins(keys, "controlnet_"):
        return Kind.OFFICIAL_CONTROLNET if moving else Kind.CONTROLNET
    if moving and whole:
        return Kind.OFFICIAL_UNET
    if moving:
        animatediff = _any_has(keys, ".temporal_transformer.")
        return Kind.ANIMATEDIFF if animatediff else Kind.MOTION_ADAPTER
    if _any_begins(keys, "encoder.down_blocks."):
        return Kind.VAE
    if _any_begins(keys, "decoder.layers."):
        return Kind.TINY_VAE
    if _any_has(keys, "embeddings.token_embedding."):
        return Kind.TEXT_ENCODER
    if whole and _any_begins(keys, "up_blocks."):
        ends = any(_any_begins(keys, name) for name in _LAST_LAYERS)
        return Kind.UNET if ends else Kind.OFFICIAL_REFERENCE
    return None


def _any_has(keys: list[str], mark: str) -> bool:
    return any(mark in key for key in keys)


def _any_begins(keys: list[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)
