"""Conversion of LoRAs in the key styles of kohya, diffusers (old and new) and peft to one style.

The result is the style of `merged_loras`: `<module>.lora_A.weight` and `.lora_B.weight` with the
UNet's module names, and alpha multiplied into B.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from torch import Size, Tensor

from tcan_core.models.weights.importing.tracing import KeyOrigin, Tags, trace
from tcan_core.models.weights.merged_loras import DOWN, UP

_TEXT = ("lora_te_", "lora_te1_", "lora_te2_", "text_encoder.", "base_model.model.text_model.")
_KOHYA = re.compile(r"(?P<module>lora_unet_\w+)\.(?P<leaf>lora_down\.weight|lora_up\.weight|alpha)")
_PEFT = re.compile(
    r"(?:base_model\.model\.)?(?:unet\.)?(?P<module>.+?)"
    r"\.lora_(?P<side>[AB])(?:\.\w+)?\.weight"
)
_LEAVES = ("lora_down.weight", "lora_up.weight")


@dataclass
class LoraKeys:
    """The classified keys of a LoRA.

    Attributes:
        origins: origin of each key in the common style.
        alphas: the file's key of alpha, by module.
        missing: missing keys of incomplete A/B pairs, named in the file's style.
        unexpected: keys of an unknown style.
        ignored: number of keys of the text encoder, which only encodes the empty prompt.
    """

    origins: dict[str, KeyOrigin] = field(default_factory=dict)
    alphas: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    ignored: int = 0


def lora_keys(tensors: Mapping[str, Tensor], layers_per_block: int) -> LoraKeys:
    """Classify the keys of a LoRA of any style.

    Args:
        layers_per_block: setting of the UNet, needed to convert LDM's block numbers.
    """
    own = {key: value for key, value in tensors.items() if not key.startswith(_TEXT)}
    if any(key.startswith("lora_unet_") for key in own):
        keys = _kohya(own, layers_per_block)
    else:
        keys = _by_modules(own)
    keys.ignored = len(tensors) - len(own)
    return keys


def _kohya(tensors: Mapping[str, Tensor], layers_per_block: int) -> LoraKeys:
    keys = LoraKeys(unexpected=[key for key in tensors if not _KOHYA.fullmatch(key)])
    valid = {key: value for key, value in tensors.items() if key not in keys.unexpected}
    for module in sorted({key.split(".")[0] for key in valid}):
        missing = [f"{module}.{leaf}" for leaf in _LEAVES if f"{module}.{leaf}" not in valid]
        keys.missing += missing
        if missing:
            valid = {key: value for key, value in valid.items() if key.split(".")[0] != module}
    converted = trace(lambda tags: {"lora": _from_kohya(tags, layers_per_block)}, valid)["lora"]
    for key, origin in converted.items():
        keys.origins[key] = origin
        alpha = f"{origin.source.split('.')[0]}.alpha"
        if alpha in valid:
            keys.alphas[key.removesuffix(DOWN).removesuffix(UP)] = alpha
    return keys


def _from_kohya(tags: Tags, layers_per_block: int) -> Tags:
    """Rename the keys with diffusers' converter, which here sees tags instead of weights."""

    class Config:
        pass

    config: Any = Config()
    config.layers_per_block = layers_per_block
    if not tags:
        return {}
    state, _ = StableDiffusionLoraLoaderMixin.lora_state_dict(dict(tags), unet_config=config)
    peft: Tags = convert_unet_state_dict_to_peft(state)  # type: ignore[no-untyped-call]
    return {_plain(key): tag for key, tag in peft.items()}


def _plain(key: str) -> str:
    return key.removeprefix("unet.").replace(".processor.", ".")


def _by_modules(tensors: Mapping[str, Tensor]) -> LoraKeys:
    """Classify keys in the styles of diffusers and peft, which keep the module names."""
    keys = LoraKeys()
    for name in tensors:
        (plain,) = convert_unet_state_dict_to_peft({_plain(name): None})  # type: ignore[no-untyped-call]
        match = _PEFT.fullmatch(plain)
        if match is None:
            keys.unexpected.append(name)
            continue
        side = DOWN if match["side"] == "A" else UP
        keys.origins[match["module"] + side] = KeyOrigin(name, tensors[name].dim())
    for key, origin in keys.origins.items():
        module, other = key.removesuffix(DOWN).removesuffix(UP), UP if key.endswith(DOWN) else DOWN
        if module + other not in keys.origins:
            keys.missing.append(_counterpart(origin.source))
    return keys


def _counterpart(name: str) -> str:
    """Return the name of the other matrix of an A/B pair, in the file's style."""
    pairs = (("lora_A", "lora_B"), ("down", "up"))
    for one, other in pairs:
        for before, after in ((one, other), (other, one)):
            head, separator, tail = name.rpartition(f"{before}.")
            if separator:
                return f"{head}{after}.{tail}"
    return name


def lora_mismatches(
    keys: LoraKeys, tensors: Mapping[str, Tensor], shapes: Mapping[str, Size]
) -> tuple[list[str], list[str]]:
    """Return the file's keys without a module in the UNet, and those of another shape.

    Args:
        shapes: shapes of the UNet's weights.
    """
    unknown, differing = [], []
    for key, origin in keys.origins.items():
        module = key.removesuffix(DOWN).removesuffix(UP)
        weight = shapes.get(f"{module}.weight")
        other = keys.origins.get(module + (UP if key.endswith(DOWN) else DOWN))
        if weight is None:
            unknown.append(origin.source)
        elif other is not None and not _fits(key, origin, other, tensors, weight):
            shape, expected = tuple(tensors[origin.source].shape), tuple(weight)
            differing.append(f"{origin.source}: {shape} for a weight of {expected}")
    return unknown, differing


def _fits(
    key: str, origin: KeyOrigin, other: KeyOrigin, tensors: Mapping[str, Tensor], weight: Size
) -> bool:
    value, pair = tensors[origin.source], tensors[other.source]
    if key.endswith(UP):
        return value.shape[0] == weight[0] and value[0].numel() == pair.shape[0]
    return value[0].numel() == weight[1:].numel() and pair[0].numel() == value.shape[0]


def fold_alpha(
    keys: LoraKeys, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return the LoRA in the common style, with B scaled by alpha over rank."""
    common = _global_alpha(metadata)
    state = {}
    for key, origin in keys.origins.items():
        value = tensors[origin.source]
        if key.endswith(UP):
            module, rank = key.removesuffix(UP), value[0].numel()
            named = keys.alphas.get(module)
            alpha = float(tensors[named]) if named else common
            value = value if alpha is None else (value.float() * (alpha / rank)).to(value.dtype)
        state[key] = value
    return state


def _global_alpha(metadata: Mapping[str, Any]) -> float | None:
    """Return alpha from peft's configuration or diffusers' metadata; None means alpha = rank."""
    settings = metadata
    if isinstance(metadata.get("lora_adapter_metadata"), str):
        settings = json.loads(metadata["lora_adapter_metadata"])
    alpha = settings.get("lora_alpha", settings.get("unet.lora_alpha"))
    return None if alpha is None else float(alpha)
