"""Conversion of each format to the keys of a preset's parts, by diffusers where possible."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from diffusers.loaders.single_file_utils import (
    convert_animatediff_checkpoint_to_diffusers,
    convert_controlnet_checkpoint,
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)

from tcan_core.models.weights.builders import build_codec
from tcan_core.models.weights.importing.kinds import Kind, without_wrapper
from tcan_core.models.weights.importing.tracing import Converter, Tags
from tcan_core.models.weights.presets import Preset

LDM_UNET, LDM_CONTROLNET, LDM_VAE = "model.diffusion_model.", "control_model.", "first_stage_model."
LDM_CLIP = "cond_stage_model."

# Keys that no network loads: schedules, weight averages, losses, computed positions, counters.
IGNORED = (
    "model_ema.",
    "loss.",
    "first_stage_model.loss.",
    "cond_stage_model.logit_scale",
    "alphas_cumprod",
    "betas",
    "log_one_minus_alphas_cumprod",
    "logvar",
    "lvlb_weights",
    "posterior_",
    "scale_factor",
    "sqrt_",
)
IGNORED_ENDS = ("position_ids", "pos_encoder.pe", "pos_embed.pe")


def converter(kind: Kind, preset: Preset, part: str | None) -> Converter:
    """Return the converter from a format to the preset's parts.

    Args:
        part: target part, if the format leaves a choice.
    """
    unet = part or "denoising_unet"
    by_kind: dict[Kind, Converter] = {
        Kind.UNET: lambda tags: {unet: tags},
        Kind.VAE: lambda tags: {"vae": _as_vae(preset, tags)},
        Kind.TINY_VAE: lambda tags: {"preview_decoder": tags},
        Kind.TEXT_ENCODER: lambda tags: {"text_encoder": _as_text_encoder(tags)},
        Kind.POSE_GUIDER: lambda tags: {"pose_guider": tags},
        Kind.IMAGE_ENCODER: lambda tags: {"image_encoder": tags},
        Kind.CONTROLNET: lambda tags: {"controlnet": tags},
        Kind.MOTION_ADAPTER: lambda tags: {part or "motion_modules": tags},
        Kind.LDM: partial(_from_ldm, preset, part),
        Kind.LDM_VAE: lambda tags: {"vae": _from_ldm_vae(preset, tags)},
        Kind.LDM_CONTROLNET: lambda tags: {"controlnet": _from_ldm_controlnet(preset, tags)},
        Kind.ANIMATEDIFF: lambda tags: {part or "motion_modules": _from_animatediff(tags)},
        Kind.OFFICIAL_UNET: _from_official_unet,
        Kind.OFFICIAL_REFERENCE: lambda tags: {"reference_unet": tags},
        Kind.OFFICIAL_CONTROLNET: partial(_split_motion, "controlnet", "controlnet_motion_modules"),
    }
    return _without_wrapper(by_kind[kind])


def is_ignored(key: str) -> bool:
    """Return whether no network loads this key."""
    name = without_wrapper(key)
    return name.startswith(IGNORED) or name.endswith(IGNORED_ENDS)


def _without_wrapper(convert: Converter) -> Converter:
    """Drop ignored keys, and the prefixes `module.` and `unet.` of the others."""

    def convert_plain(tags: Tags) -> dict[str, Tags]:
        plain = {without_wrapper(k): tag for k, tag in tags.items() if not is_ignored(k)}
        return {part: state for part, state in convert(plain).items() if state}

    return convert_plain


def _from_ldm(preset: Preset, part: str | None, tags: Tags) -> dict[str, Tags]:
    """Convert a Civitai or LDM checkpoint: a UNet, with VAE and text encoder if present."""
    parts = {part or "denoising_unet": _from_ldm_unet(preset, tags)}
    if part is None:
        parts["vae"] = _from_ldm_vae(preset, _beginning(tags, LDM_VAE))
        clip = convert_ldm_clip_checkpoint(_beginning(tags, LDM_CLIP))  # type: ignore[no-untyped-call]
        parts["text_encoder"] = _as_text_encoder(clip)
    return parts


def _from_ldm_unet(preset: Preset, tags: Tags) -> Tags:
    config = _with_defaults(preset.parts["denoising_unet"].config)
    return _converted(convert_ldm_unet_checkpoint, _beginning(tags, LDM_UNET), config)


def _from_ldm_controlnet(preset: Preset, tags: Tags) -> Tags:
    config = _with_defaults(preset.parts["controlnet"].config)
    if not _beginning(tags, LDM_CONTROLNET):
        tags = {LDM_CONTROLNET + key: tag for key, tag in tags.items()}
    return _converted(convert_controlnet_checkpoint, tags, config)


def _from_ldm_vae(preset: Preset, tags: Tags) -> Tags:
    if not tags:
        return {}
    return _converted(convert_ldm_vae_checkpoint, tags, preset.parts["vae"].config)


def _with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    return {"layers_per_block": 2} | config


def _converted(convert: Callable[..., Any], tags: Tags, config: dict[str, Any]) -> Tags:
    """Run a converter of diffusers, and drop the None values of keys that the file lacks."""
    state: dict[str, Any] = convert(dict(tags), config)
    return {key: tag for key, tag in state.items() if tag is not None}


def _as_vae(preset: Preset, tags: Tags) -> Tags:
    """Rename the keys of a VAE, whose attentions had other names in diffusers before 2023."""
    with torch.device("meta"):
        vae = build_codec(preset).vae
    state = OrderedDict(tags)
    vae._fix_state_dict_keys_on_load(state)
    return state


def _as_text_encoder(tags: Tags) -> Tags:
    """Remove the prefix `text_model.`, which transformers 5.6 dropped."""
    return {key.removeprefix("text_model."): tag for key, tag in tags.items()}


def _from_animatediff(tags: Tags) -> Tags:
    state: Tags = convert_animatediff_checkpoint_to_diffusers(tags)  # type: ignore[no-untyped-call]
    return state


def _from_official_unet(tags: Tags) -> dict[str, Tags]:
    """Convert TCAN's official `[UNet]`: wrapped by peft, with LoRA, and motion since stage 2."""
    lora = {
        key.replace(".default.", "."): tag
        for key, tag in tags.items()
        if ".lora_A." in key or ".lora_B." in key
    }
    rest = {
        key.replace(".base_layer.", "."): tag
        for key, tag in tags.items()
        if ".lora_A." not in key and ".lora_B." not in key
    }
    return _split_motion("denoising_unet", "motion_modules", rest) | {"lora": lora}


def _split_motion(network_part: str, motion_part: str, tags: Tags) -> dict[str, Tags]:
    motion = {key: tag for key, tag in tags.items() if ".motion_modules." in key}
    rest = {key: tag for key, tag in tags.items() if key not in motion}
    return {network_part: rest, motion_part: _from_animatediff(motion)}


def _beginning(tags: Tags, prefix: str) -> Tags:
    return {key: tag for key, tag in tags.items() if key.startswith(prefix)}
