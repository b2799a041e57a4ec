"""Hints in a report: common reasons why a file does not fit."""

from __future__ import annotations

from tcan_core.models.weights.importing.kinds import Kind
from tcan_core.models.weights.importing.report import FileReport
from tcan_core.models.weights.presets import Preset

MID_MOTION, _MOTION = "mid_block.motion_modules", "motion_modules."


def add_hints(report: FileReport, kind: Kind, preset: Preset) -> None:
    """Add the usual causes of a report's faults and missing parts."""
    if kind == Kind.LDM and "denoising_unet" in report.matched and "vae" not in report.matched:
        report.hints.append("the file has no VAE; import one as well, such as sd-vae-ft-mse")
    if kind == Kind.OFFICIAL_UNET and "motion_modules" not in report.matched:
        report.hints.append("the file is from stage 1: it has no motion modules")
    if kind in (Kind.ANIMATEDIFF, Kind.MOTION_ADAPTER, Kind.OFFICIAL_UNET):
        _add_motion_hints(report)
    if kind == Kind.OFFICIAL_CONTROLNET and any(
        _MOTION in key for key in (*report.missing, *report.unexpected)
    ):
        report.hints.append(
            "the blocks with motion modules are set by controlnet_motion_modules.config of the "
            "preset; the official code uses {down_blocks: [2, 3], mid_block: false}"
        )
    if kind.startswith("official") and preset.norm_grouping != "official":
        report.hints.append(
            f"norm_grouping of {preset.name} is {preset.norm_grouping}; official weights need "
            "norm_grouping: official, as in the preset sd15-official, to reproduce its outputs"
        )
    if kind == Kind.LORA and not any(f"loras/{name}" in report.matched for name in preset.loras):
        names = [part.removeprefix("loras/") for part in report.matched if part != "lora"]
        report.hints += [
            f"{preset.name} does not use this LoRA; a preset with "
            f"`loras: {{{name}: {{weight: 1.0}}}}` does"
            for name in names
        ]


def _add_motion_hints(report: FileReport) -> None:
    if any(MID_MOTION in key for key in report.missing):
        report.hints.append(
            "the file has no motion module in the mid block (AnimateDiff v1 and v3); set "
            "use_motion_mid_block: false in the preset"
        )
    if any(MID_MOTION in key for key in report.unexpected):
        report.hints.append(
            "the file has a motion module in the mid block (AnimateDiff v2); set "
            "use_motion_mid_block: true in the preset"
        )
