"""Everything that `tcan_core` raises on purpose.

    TcanError
    ├── InputError             what the user gave cannot be used
    │   ├── MediaError         a video or an image: broken, empty, of an unknown kind, over a limit
    │   ├── PoseFileError      a pose file: not the format, or over a limit
    │   ├── NoPersonError      no person where one is needed
    │   └── ParameterError     a setting out of its range, or settings that contradict each other
    │       └── MemoryLimitError   what is asked for takes more memory than the device has
    ├── WeightsError           weights missing, damaged, or for another network
    ├── ContextWindowError     context windows that leave a frame uncovered, or cannot be cut
    ├── CheckpointError        a checkpoint: damaged, of another run, or of what cannot be kept
    ├── ConfigError            a configuration file: unknown key, wrong type, value out of range
    ├── StorageError           a place for checkpoints or training data does not answer
    ├── PeerError          another one of the processes that share a video's windows failed
    │   └── PeerMemoryError its memory ran out; a MemoryError as well
    ├── PeerLostError          one of these processes died or is silent; the others cannot go on
    └── CanceledError          the caller asked to stop

Every class carries a stable `code`, which the service reports and callers may compare. A message
names the values and what would be allowed; it never needs a traceback beside it.
"""

from __future__ import annotations

from typing import ClassVar

from media.errors import InputError as InputError
from media.errors import MediaError as MediaError
from media.errors import ParameterError as ParameterError
from media.errors import PoseFileError as PoseFileError
from media.errors import TcanError as TcanError


class NoPersonError(InputError):
    """No person was found where one is needed."""

    code: ClassVar[str] = "no_person"


class MemoryLimitError(ParameterError):
    """What is asked for takes more memory than there is, by what was measured before."""

    code: ClassVar[str] = "out_of_memory"


class WeightsError(TcanError):
    """Weights are missing, damaged, or belong to another network."""

    code: ClassVar[str] = "weights"


class ContextWindowError(TcanError):
    """Context windows leave a frame uncovered, or cannot be cut as asked."""

    code: ClassVar[str] = "context_window"


class CheckpointError(TcanError):
    """A checkpoint is damaged, belongs to another run, or cannot hold what a run remembers."""

    code: ClassVar[str] = "checkpoint"


class ConfigError(TcanError):
    """A configuration file holds an unknown key, a wrong type, or a value out of range."""

    code: ClassVar[str] = "config"


class StorageError(TcanError):
    """A place in which checkpoints or training data are kept does not answer."""

    code: ClassVar[str] = "storage"


class PeerError(TcanError):
    """Another one of the processes that share a video's windows failed; its log has more."""

    code: ClassVar[str] = "teammate"


class PeerMemoryError(PeerError, MemoryError):
    """Memory ran out in another one of these processes."""

    code: ClassVar[str] = "teammate_memory"


class PeerLostError(TcanError):
    """One of these processes died or does not answer; the others can share nothing any more."""

    code: ClassVar[str] = "team_lost"


class CanceledError(TcanError):
    """The caller asked to stop."""

    code: ClassVar[str] = "canceled"
