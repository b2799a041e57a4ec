"""Whether the model fits the device: the plan that a worker which renders makes at its start."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

AREA, NAME = "device", "memory"
UNBOUNDED = "nothing bounds it here; TCAN_MEMORY_LIMIT would"
MEND = "choose TCAN_RUNTIME__* by what is told, or another TCAN_MEMORY_LIMIT or device"


def look(settings: Settings, device: str) -> Iterator[Finding]:
    """Plan on a device that torch can use; a worker at work there counts as gone."""
    if find_spec("tcan_core") is None:
        return  # the weights' finding says so
    from tcan_core.errors import ConfigError, MemoryLimitError
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import Budget

    options = RuntimeOptions(**settings.runtime.model_dump(exclude={"window_batch"}))
    try:
        preset = load_preset(settings.preset)
        budget = Budget.for_device(preset, device, settings.memory_limit, idle=True)
        if budget is None:
            yield skipped(AREA, NAME, UNBOUNDED)
        elif not budget.has_measurements(options):
            told = f"what {preset.name} takes is not known, so jobs may run out of it"
            yield warning(AREA, NAME, told, f"tcan plan --preset {preset.name} --measure ...")
        else:
            yield ok(
                AREA, NAME, budget.summary(budget.plan(options, settings.runtime.window_batch))
            )
    except MemoryLimitError as failed:
        yield error(AREA, NAME, f"{failed}; workers that render do not start", MEND)
    except ConfigError as failed:
        yield skipped(AREA, NAME, str(failed))
