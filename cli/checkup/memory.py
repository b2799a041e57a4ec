"""Check that the model fits the device, as a rendering worker does at its start."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

NAME = "memory"
UNLIMITED = "no limit here; set TCAN_MEMORY_LIMIT for one"
FIX = "change TCAN_RUNTIME__* by these numbers, or TCAN_MEMORY_LIMIT, or the device"


def check(settings: Settings, device: str) -> Iterator[Finding]:
    """Plan for a usable device; the memory of a worker running there counts as free."""
    if find_spec("tcan_core") is None:
        return  # the check of the weights reports it
    from tcan_core.errors import ConfigError, MemoryLimitError
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import Budget

    options = RuntimeOptions(**settings.runtime.model_dump(exclude={"window_batch"}))
    try:
        preset = load_preset(settings.preset)
        budget = Budget.for_device(preset, device, settings.memory_limit, idle=True)
        if budget is None:
            yield skipped(NAME, UNLIMITED)
        elif not budget.has_measurements(options):
            detail = f"the memory use of {preset.name} is unknown, so jobs may run out of memory"
            yield warning(NAME, detail, f"tcan plan --preset {preset.name} --measure ...")
        else:
            yield ok(NAME, budget.summary(budget.plan(options, settings.runtime.window_batch)))
    except MemoryLimitError as failed:
        yield error(NAME, f"{failed}; workers that render do not start", FIX)
    except ConfigError as failed:
        yield skipped(NAME, str(failed))
