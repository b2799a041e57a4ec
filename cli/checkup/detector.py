"""Check of the pose detector, without which no worker of the queue `prepare` starts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cli.checkup.device import NO_WORKER, pull_command
from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

if TYPE_CHECKING:
    from tcan_core.errors import TcanError

RESTRICTED = "non-commercial"


def check(settings: Settings) -> Iterator[Finding]:
    """Load the detector of TCAN_DETECTOR or of the preset."""
    if find_spec("tcan_core") is None:
        yield skipped(settings.detector or settings.preset, NO_WORKER)
        return
    from tcan_core.conditioning.detectors import build_detector
    from tcan_core.errors import TcanError
    from tcan_core.models.weights.presets import load_preset

    name = settings.detector or ""
    try:
        name = name or load_preset(settings.preset).detector
        build_detector(name)
    except TcanError as failed:
        detail = f"{failed}; workers of the queue prepare do not start"
        yield error(name or settings.preset, detail, _fix(name, failed))
        return
    yield ok(name, "loaded")
    yield from check_licences(name)


def _fix(name: str, failed: TcanError) -> str:
    """Return the fix in the environment of the workers that prepare jobs."""
    from tcan_core.errors import ConfigError, WeightsError

    if isinstance(failed, WeightsError):
        return pull_command(name.partition("@")[0])
    if name and isinstance(failed, ConfigError):
        fix = str(failed).rpartition("; ")[2]  # the detector names the missing library
        return f"{fix}; or set another TCAN_DETECTOR"
    return "set TCAN_PRESET and TCAN_DETECTOR to names that exist"


def check_licences(name: str) -> Iterator[Finding]:
    """Warn of non-commercial licences."""
    from tcan_core.models.weights.hub.files import file_set_path, load_file_set

    kind = name.partition("@")[0]
    licences = load_file_set(kind).licences if file_set_path(kind).exists() else []
    for licence in licences:
        if RESTRICTED in licence:
            fix = "for commercial use set TCAN_DETECTOR=dwpose (Apache-2.0)"
            yield warning("licence", f"weights of {kind}: {licence}", fix)
