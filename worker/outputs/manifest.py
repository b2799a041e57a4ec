"""manifest.json, which describes how a result was made; all that callers learn about it."""

from __future__ import annotations

from collections.abc import Mapping

from service.contract.job import JobRecord
from service.contract.params import PRESET_PARAMS, JobParams
from service.contract.workers import ModelInfo
from worker.animation import Rendering


def make_statement(
    record: JobRecord, model: ModelInfo, inputs: Mapping[str, str]
) -> dict[str, object]:
    """Return how a result was made, for its public C2PA manifest."""
    return {
        "job": record.id,
        "preset": model.preset,
        "params": _used_params(record.params, model),
        "inputs_sha256": dict(inputs),
        "weights_sha256": dict(model.weights),
        "versions": dict(model.versions),
    }


def _used_params(params: JobParams, model: ModelInfo) -> dict[str, object]:
    """Return a job's parameters, with the preset's own where none were given."""
    used = params.model_dump(mode="json")
    used |= {n: getattr(model, n) for n in PRESET_PARAMS if used[n] is None}
    if params.context_overlap is None and model.context_overlap is not None:
        used["context_overlap"] = min(model.context_overlap, used["context_size"] - 1)
    return used


def _watermark(payload: int | None, reason: str) -> dict[str, str | None]:
    """Return the payload, or null and the reason why there is no watermark."""
    if payload is not None and not reason:
        return {"watermark": f"{payload:08x}"}
    return {"watermark": None, "unmarked": reason or "turned off (TCAN_WATERMARK)"}


def make_manifest(
    record: JobRecord,
    rendering: Rendering,
    model: ModelInfo,
    seconds: Mapping[str, float],
    inputs: Mapping[str, str],
    watermark: int | None,
    signed: Mapping[str, str],
) -> dict[str, object]:
    """Return the manifest of a job that is about to succeed.

    Args:
        seconds: time taken by each stage.
        inputs: sha256 of each input.
        watermark: payload of the watermark, if there is one.
        signed: `embedded` or the reason why not, for each file's C2PA manifest.
    """
    consent, metadata = record.options.consent, record.options.metadata
    return {
        "job": record.id,
        "kind": record.kind.value,
        "preset": model.preset,
        "params": _used_params(record.params, model),
        "inputs": {
            "driving_kind": record.inputs.driving_kind.value,
            "frames": record.inputs.frames,
            "sha256": dict(inputs),
        },
        "provenance": {
            "c2pa": dict(signed),
            **_watermark(watermark, rendering.no_watermark_reason),
        },
        **({} if consent is None else {"consent": {"declared": consent, "by": record.caller}}),
        **({"metadata": metadata} if metadata else {}),
        "model": model.model_dump(mode="json"),
        "attempts": record.attempts,
        "seconds": dict(seconds),
        "warnings": [*record.warnings, *rendering.warnings],
        "report": rendering.report,
        **({} if rendering.review is None else {"review": rendering.review.model_dump()}),
    }
