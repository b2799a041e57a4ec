"""manifest.json: how a result was made. The one place that says what callers learn of it."""

from __future__ import annotations

from collections.abc import Mapping

from service.contract.job import JobRecord
from service.contract.workers import ModelInfo
from worker.animation import Rendering


def make_manifest(
    record: JobRecord, rendering: Rendering, model: ModelInfo, seconds: Mapping[str, float]
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
        },
        **({} if consent is None else {"consent": {"declared": consent, "by": record.caller}}),
        "model": model.model_dump(mode="json"),
        "attempts": record.attempts,
        "seconds": dict(seconds),
        "warnings": [*record.warnings, *rendering.warnings],
        "report": rendering.report,
    }
