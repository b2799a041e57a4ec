"""Comparison of a source's keys and shapes with a preset's parts, without reading the weights."""

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
from tcan_core.models.weights.importing.hints import MID_MOTION, add_hints
from tcan_core.models.weights.importing.kinds import Kind, guess_kind
from tcan_core.models.weights.importing.loras import (
    LoraKeys,
    fold_alpha,
    lora_keys,
    lora_mismatches,
)
from tcan_core.models.weights.importing.reading import Source
from tcan_core.models.weights.importing.report import FileReport
from tcan_core.models.weights.importing.sizes import size_differences
from tcan_core.models.weights.importing.tracing import KeyOrigin, source_name, trace
from tcan_core.models.weights.presets import Preset

UNETS = ("denoising_unet", "reference_unet")
# Of keys of another shape; more have one cause, a size of the network.
MANY = 20


@dataclass
class ImportPlan:
    """A source with its report and the parts that it provides.

    Attributes:
        readers: functions that read the weights of each part, called when they are written.
    """

    source: Source
    report: FileReport
    readers: dict[str, Callable[[], dict[str, Tensor]]] = field(default_factory=dict)


def check_source(
    source: Source, preset: Preset, kind: Kind | None = None, part: str | None = None
) -> ImportPlan:
    """Find the parts that a source provides, and the keys that do not fit them.

    Args:
        kind: format of the file; None guesses it from the keys.
        part: target part if there is a choice: a UNet can become either UNet, a LoRA can be APPA's
            ("lora") or one to merge ("loras/NAME").

    Raises:
        WeightsError: the format is unknown, or the preset has no such part.
    """
    kind = kind or guess_kind(source.tensors, str(source.path))
    plan = ImportPlan(source, FileReport(str(source.path), str(kind), dtypes=_types(source)))
    if kind == Kind.LORA:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.path.stem).strip("-.")
        _check_lora(plan, preset, part or f"loras/{name}")
    else:
        _check_networks(plan, preset, kind, part)
    add_hints(plan.report, kind, preset)
    return plan


def _types(source: Source) -> dict[str, int]:
    return dict(Counter(str(t.dtype).removeprefix("torch.") for t in source.tensors.values()))


def _check_networks(plan: ImportPlan, preset: Preset, kind: Kind, part: str | None) -> None:
    tensors, report = plan.source.tensors, plan.report
    if kind in (Kind.ANIMATEDIFF, Kind.MOTION_ADAPTER):
        tensors = _without_unused_mid(tensors, preset)
    by_part = trace(converter(kind, preset, part), tensors)
    remaining = set(tensors)
    for name, origins in by_part.items():
        if name == "text_encoder" and not preset.config_of.get(name):
            continue  # the preset uses a constant prompt embedding, or none
        if name not in preset.parts:
            parts = ", ".join(preset.parts)
            raise WeightsError(f"preset {preset.name} has no part {name}; it has {parts}")
        shapes = expected_shapes(preset, name)
        remaining -= {origin.source for origin in origins.values()}
        filled = unread_by_reference(preset, shapes) if kind == Kind.OFFICIAL_REFERENCE else set()
        _compare(report, name, origins, shapes, tensors, filled - set(origins))
        zeros = {key: shapes[key] for key in filled - set(origins)}
        plan.readers[name] = _reader(origins, tensors, zeros)
    skipped = (LDM_VAE, LDM_CLIP) if part else ()
    if not preset.config_of.get("text_encoder"):
        skipped = (*skipped, LDM_CLIP)
    unused = {key for key in remaining if is_ignored(key) or (skipped and key.startswith(skipped))}
    report.ignored = len(unused) + len(plan.source.tensors) - len(tensors)
    report.unexpected += sorted(remaining - unused)
    report.mismatched += _position_mismatches(tensors, preset)


def _without_unused_mid(tensors: Mapping[str, Tensor], preset: Preset) -> Mapping[str, Tensor]:
    """Leave out AnimateDiff v2's mid block if the preset has none, as the official code does."""
    if preset.config_of.get("motion_modules", {}).get("use_motion_mid_block", True):
        return tensors
    return {key: value for key, value in tensors.items() if MID_MOTION not in key}


def _compare(
    report: FileReport,
    part: str,
    origins: Mapping[str, KeyOrigin],
    shapes: Shapes,
    tensors: Mapping[str, Tensor],
    filled: set[str],
) -> None:
    missing = sorted(set(shapes) - set(origins) - filled)
    report.missing += [source_name(key, origins) for key in missing]
    report.unexpected += sorted(origins[key].source for key in set(origins) - set(shapes))
    report.filled += len(filled)
    own = {key: origin.take(tensors).shape for key, origin in origins.items()}
    common = sorted(set(shapes) & set(own))
    differing = [key for key in common if own[key] != shapes[key]]
    report.matched[part] = len(common) - len(differing)
    if len(differing) > MANY:
        report.causes += size_differences(part, own, shapes)
    report.mismatched += [
        f"{origins[key].source}: {tuple(own[key])} instead of {tuple(shapes[key])}"
        for key in differing
    ]


def _reader(
    origins: Mapping[str, KeyOrigin], tensors: Mapping[str, Tensor], zeros: Shapes
) -> Callable[[], dict[str, Tensor]]:
    def read() -> dict[str, Tensor]:
        state = {key: origin.take(tensors) for key, origin in origins.items()}
        dtype = next(iter(state.values())).dtype
        return state | {key: torch.zeros(shape, dtype=dtype) for key, shape in zeros.items()}

    return read


def _position_mismatches(tensors: Mapping[str, Tensor], preset: Preset) -> list[str]:
    """Return the position embeddings whose length differs from the preset's."""
    expected = preset.max_context_size
    return [
        f"{key}: {tensor.shape[1]} positions, motion_max_seq_length is {expected}"
        for key, tensor in tensors.items()
        if key.endswith(IGNORED_ENDS[1:]) and tensor.dim() == 3 and tensor.shape[1] != expected
    ]


def _check_lora(plan: ImportPlan, preset: Preset, part: str) -> None:
    tensors, report = plan.source.tensors, plan.report
    if part != "lora" and (not part.startswith("loras/") or len(Path(part).parts) != 2):
        raise WeightsError(f"part is {part!r}; a LoRA can become 'lora', or 'loras/NAME' to merge")
    unet = expected_shapes(preset, UNETS[0])
    layers = preset.parts[UNETS[0]].config.get("layers_per_block", 2)
    keys = lora_keys(tensors, layers)
    unknown, report.mismatched = lora_mismatches(keys, tensors, unet)
    report.missing, report.unexpected = keys.missing, keys.unexpected + unknown
    report.ignored = keys.ignored
    if part == "lora":
        _compare(report, part, keys.origins, expected_shapes(preset, "lora"), tensors, set())
    else:
        faults = len(report.missing) + len(unknown) + len(report.mismatched)
        report.matched = {part: max(0, len(keys.origins) - faults)} if keys.origins else {}
    plan.readers[part] = _lora_reader(plan.source, keys, preset if part == "lora" else None)


def _lora_reader(
    source: Source, keys: LoraKeys, appa_preset: Preset | None
) -> Callable[[], dict[str, Tensor]]:
    """Return a reader of a LoRA to merge, or of APPA's own with the preset's alpha."""

    def read() -> dict[str, Tensor]:
        state = fold_alpha(keys, source.tensors, source.metadata)
        if appa_preset is None:
            return state
        lora = appa_preset.parts["lora"].config
        scale = lora["rank"] / lora["alpha"]
        return {k: v * scale if ".lora_B." in k else v for k, v in state.items()}

    return read
