"""Hold a source against a preset: which keys fit which part, without touching the weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.converters import (
    IGNORED_ENDS,
    LDM_CLIP,
    LDM_VAE,
    converter,
    is_ignored,
)
from tcan_core.models.weights.importing.expected import Shapes, expected_shapes, unread_by_reference
from tcan_core.models.weights.importing.hints import add_hints
from tcan_core.models.weights.importing.kinds import Kind, guess_kind
from tcan_core.models.weights.importing.loras import LoraKeys, folded, lora_keys, lora_mismatches
from tcan_core.models.weights.importing.reading import Source
from tcan_core.models.weights.importing.report import FileReport
from tcan_core.models.weights.importing.tracing import Traced, source_name, trace
from tcan_core.models.weights.presets import Preset

UNETS = ("denoising_unet", "reference_unet")


@dataclass
class Checked:
    """A source and what became of it.

    Attributes:
        take: the weights of each part, read when they are written.
    """

    source: Source
    report: FileReport
    take: dict[str, Callable[[], dict[str, Tensor]]] = field(default_factory=dict)


def check_source(
    source: Source, preset: Preset, kind: Kind | None = None, part: str | None = None
) -> Checked:
    """Find the parts that a source holds, and what of it does not fit them.

    Args:
        kind: of the file; guessed from its keys where None.
        part: what its network becomes, where that is open: a UNet may be either of two, a LoRA
            may be APPA's ("lora") or one to stack ("loras/NAME").

    Raises:
        WeightsError: the kind cannot be told, or the preset has no such part.
    """
    kind = kind or guess_kind(source.tensors, str(source.path))
    checked = Checked(source, FileReport(str(source.path), str(kind), dtypes=_types(source)))
    if kind == Kind.LORA:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.path.stem).strip("-.")
        _check_lora(checked, preset, part or f"loras/{name}")
    else:
        _check_networks(checked, preset, kind, part)
    add_hints(checked.report, kind, preset)
    return checked


def _types(source: Source) -> dict[str, int]:
    return dict(Counter(str(t.dtype).removeprefix("torch.") for t in source.tensors.values()))


def _check_networks(checked: Checked, preset: Preset, kind: Kind, part: str | None) -> None:
    tensors, report = checked.source.tensors, checked.report
    by_part = trace(converter(kind, preset, part), tensors)
    left = set(tensors)
    for name, origins in by_part.items():
        if name not in preset.parts:
            parts = ", ".join(preset.parts)
            raise WeightsError(f"preset {preset.name} has no part {name}; it has {parts}")
        shapes = expected_shapes(preset, name)
        if name == "text_encoder" and not shapes:
            continue  # a constant stands for the empty prompt
        left -= {origin.source for origin in origins.values()}
        filled = unread_by_reference(preset, shapes) if kind == Kind.OFFICIAL_REFERENCE else set()
        _compare(report, name, origins, shapes, tensors, filled - set(origins))
        checked.take[name] = _taker(origins, tensors, {k: shapes[k] for k in filled - set(origins)})
    beside = (LDM_VAE, LDM_CLIP) if part else ()
    if not preset.parts["text_encoder"].config:
        beside = (*beside, LDM_CLIP)
    unused = {key for key in left if is_ignored(key) or (beside and key.startswith(beside))}
    report.ignored = len(unused)
    report.unexpected += sorted(left - unused)
    report.mismatched += _other_positions(tensors, preset)


def _compare(
    report: FileReport,
    part: str,
    origins: Mapping[str, Traced],
    shapes: Shapes,
    tensors: Mapping[str, Tensor],
    filled: set[str],
) -> None:
    lacking = sorted(set(shapes) - set(origins) - filled)
    report.missing += [source_name(key, origins) for key in lacking]
    report.unexpected += sorted(origins[key].source for key in set(origins) - set(shapes))
    report.filled += len(filled)
    fitting = 0
    for key in sorted(set(shapes) & set(origins)):
        shape = origins[key].take(tensors).shape
        fitting += shape == shapes[key]
        if shape != shapes[key]:
            wanted, name = tuple(shapes[key]), origins[key].source
            report.mismatched.append(f"{name}: {tuple(shape)} instead of {wanted}")
    report.matched[part] = fitting


def _taker(
    origins: Mapping[str, Traced], tensors: Mapping[str, Tensor], zeros: Shapes
) -> Callable[[], dict[str, Tensor]]:
    def take() -> dict[str, Tensor]:
        state = {key: origin.take(tensors) for key, origin in origins.items()}
        dtype = next(iter(state.values())).dtype
        return state | {key: torch.zeros(shape, dtype=dtype) for key, shape in zeros.items()}

    return take


def _other_positions(tensors: Mapping[str, Tensor], preset: Preset) -> list[str]:
    """Motion modules know as many frames as they were trained with."""
    wanted = preset.max_context_size
    return [
        f"{key}: {tensor.shape[1]} positions, motion_max_seq_length is {wanted}"
        for key, tensor in tensors.items()
        if key.endswith(IGNORED_ENDS[1:]) and tensor.dim() == 3 and tensor.shape[1] != wanted
    ]


def _check_lora(checked: Checked, preset: Preset, part: str) -> None:
    tensors, report = checked.source.tensors, checked.report
    if part != "lora" and (not part.startswith("loras/") or len(Path(part).parts) != 2):
        raise WeightsError(f"a LoRA becomes the part lora, or loras/NAME to stack; not {part!r}")
    unet = expected_shapes(preset, UNETS[0])
    layers = preset.parts[UNETS[0]].config.get("layers_per_block", 2)
    keys = lora_keys(tensors, layers)
    unknown, report.mismatched = lora_mismatches(keys, tensors, unet)
    report.missing, report.unexpected = keys.missing, keys.unexpected + unknown
    report.ignored = keys.ignored
    if part == "lora":
        _compare(report, part, keys.origins, expected_shapes(preset, "lora"), tensors, set())
    else:
        wrong = len(report.missing) + len(unknown) + len(report.mismatched)
        report.matched = {part: max(0, len(keys.origins) - wrong)} if keys.origins else {}
    checked.take[part] = _lora_taker(checked.source, keys, preset if part == "lora" else None)


def _lora_taker(
    source: Source, keys: LoraKeys, own: Preset | None
) -> Callable[[], dict[str, Tensor]]:
    """As a LoRA to stack, or as APPA's own, whose alpha is the preset's."""

    def take() -> dict[str, Tensor]:
        state = folded(keys, source.tensors, source.facts)
        if own is None:
            return state
        lora = own.parts["lora"].config
        scale = lora["rank"] / lora["alpha"]
        return {k: v * scale if ".lora_B." in k else v for k, v in state.items()}

    return take
