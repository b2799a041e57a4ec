"""The pose detector of a worker: without it no worker of the queue `prepare` starts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cli.checkup.device import NOT_HERE, pulling
from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings

if TYPE_CHECKING:
    from tcan_core.errors import TcanError

AREA = "detector"
RESTRICTED = "non-commercial"


def look(settings: Settings) -> Iterator[Finding]:
    """Whether the detector of TCAN_DETECTOR, or of the preset, can be built; by building it."""
    if find_spec("tcan_core") is None:
        yield skipped(AREA, settings.detector or settings.preset, NOT_HERE)
        return
    from tcan_core.conditioning.detectors import build_detector
    from tcan_core.errors import TcanError
    from tcan_core.models.weights.presets import load_preset

    name = settings.detector or ""
    try:
        name = name or load_preset(settings.preset).detector
        build_detector(name)
    except TcanError as failed:
        told = f"{failed}; workers of the queue prepare do not start"
        yield error(AREA, name or settings.preset, told, _mend(name, failed))
        return
    yield ok(AREA, name, "it is loaded")
    yield from licences(name)


def _mend(name: str, failed: TcanError) -> str:
    """What to do in the environment of the workers that prepare."""
    from tcan_core.errors import ConfigError, WeightsError

    if isinstance(failed, WeightsError):
        return pulling(name.partition("@")[0])
    if name and isinstance(failed, ConfigError):
        cure = str(failed).rpartition("; ")[2]  # the detector knows which library it lacks
        return f"{cure}; or give another TCAN_DETECTOR"
    return "give a TCAN_PRESET and a TCAN_DETECTOR that there are"


def licences(name: str) -> Iterator[Finding]:
    """Terms that not everybody can keep to."""
    from tcan_core.models.weights.hub.files import file_set_path, load_file_set

    kind = name.partition("@")[0]
    licences = load_file_set(kind).licences if file_set_path(kind).exists() else []
    for told in licences:
        if RESTRICTED in told:
            mend = "TCAN_DETECTOR=dwpose (Apache-2.0), where the use is commercial"
            yield warning(AREA, "licence", f"weights of {kind}: {told}", mend)
