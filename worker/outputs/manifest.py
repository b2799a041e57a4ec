"""manifest.json: how a result was made. The one place that says what callers learn of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.contract.job import JobRecord
from service.contract.workers import ModelInfo
from worker.animation import Rendering


@dataclass(frozen=True)
class Origin:
    """What was done to a result so that it says what it is.

    Attributes:
        inputs: sha256 of each input.
        mark: what the watermark carries; None where there is none.
        signed: what was done to each file for its C2PA manifest.
    """

    inputs: Mapping[str, str]
    mark: int | None
    signed: Mapping[str, str]


def make_statement(
    record: JobRecord, model: ModelInfo, inputs: Mapping[str, str]
) -> dict[str, object]:
    """How a result was made, for its C2PA manifest: what others may know of it."""
    return {
        "job": record.id,
        "preset": model.preset,
        "params": record.params.model_dump(mode="json"),
        "inputs_sha256": dict(inputs),
        "weights_sha256": dict(model.weights),
        "versions": dict(model.versions),
    }


def _watermark(mark: int | None, unmarked: str) -> dict[str, str | None]:
    """What the pictures carry, or null and why they carry nothing."""
    if mark is not None and not unmarked:
        return {"watermark": f"{mark:08x}"}
    return {"watermark": None, "unmarked": unmarked or "turned off (TCAN_WATERMARK)"}


def make_manifest(
    record: JobRecord,
    rendering: Rendering,
    model: ModelInfo,
    seconds: Mapping[str, float],
    origin: Origin,
) -> dict[str, object]:
    """The manifest of a job that is about to succeed.

    Args:
        seconds: that each stage took.
    """
    consent = record.options.consent
    return {
        "job": record.id,
        "kind": record.kind.value,
        "preset": model.preset,
        "params": record.params.model_dump(mode="json"),
        "inputs": {
            "driving_kind": record.inputs.driving_kind.value,
            "frames": record.inputs.frames,
            "sha256": dict(origin.inputs),
        },
        "provenance": {
            "c2pa": dict(origin.signed),
            **_watermark(origin.mark, rendering.unmarked),
        },
        **({} if consent is None else {"consent": {"declared": consent, "by": record.caller}}),
        "model": model.model_dump(mode="json"),
        "attempts": record.attempts,
        "seconds": dict(seconds),
        "warnings": [*record.warnings, *rendering.warnings],
        "report": rendering.report,
    }
