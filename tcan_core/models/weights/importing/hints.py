"""What a report says beyond keys: the usual reasons why a file does not fit."""

from __future__ import annotations

from tcan_core.models.weights.importing.kinds import Kind
from tcan_core.models.weights.importing.report import FileReport
from tcan_core.models.weights.presets import Preset

_MID, _MOTION = "mid_block.motion_modules", "motion_modules."


def add_hints(report: FileReport, kind: Kind, preset: Preset) -> None:
    """Add to a report what its faults, and the parts that it lacks, usually mean."""
    if kind == Kind.LDM and "denoising_unet" in report.matched and "vae" not in report.matched:
        report.hints.append("it has no VAE; give one beside it, as of sd-vae-ft-mse")
    if kind == Kind.OFFICIAL_UNET and "motion_modules" not in report.matched:
        report.hints.append("it is of stage 1: it has no motion modules")
    if kind in (Kind.ANIMATEDIFF, Kind.MOTION_ADAPTER, Kind.OFFICIAL_UNET):
        _add_motion_hints(report)
    if kind == Kind.OFFICIAL_CONTROLNET and any(
        _MOTION in key for key in (*report.missing, *report.unexpected)
    ):
        report.hints.append(
            "where a ControlNet's motion modules sit is said by controlnet_motion_modules.config "
            "of the preset; in the official code it is {down_blocks: [2, 3], mid_block: false}"
        )
    if kind.startswith("official") and preset.norm_grouping != "official":
        report.hints.append(
            f"norm_grouping of {preset.name} is {preset.norm_grouping}; weights of the official "
            "code give its outputs with norm_grouping: official, as in the preset sd15-official"
        )
    if kind == Kind.LORA and not any(f"loras/{name}" in report.matched for name in preset.loras):
        names = [part.removeprefix("loras/") for part in report.matched if part != "lora"]
        report.hints += [
            f"a preset takes it with `loras: {{{name}: {{weight: 1.0}}}}`; {preset.name} does not"
            for name in names
        ]


def _add_motion_hints(report: FileReport) -> None:
    if any(_MID in key for key in report.missing):
        report.hints.append(
            "it has no motion module in the mid block (AnimateDiff v1 and v3): the preset then "
            "says use_motion_mid_block: false"
        )
    if any(_MID in key for key in report.unexpected):
        report.hints.append(
            "it has a motion module in the mid block (AnimateDiff v2): the preset then says "
            "use_motion_mid_block: true"
        )
