"""Errors of `tcan_core`.

    TcanError
    ├── InputError             an input cannot be used
    │   ├── FileError          (of `media.errors`) a file cannot be used
    │   │   ├── MediaError     a video or an image: broken, empty, unsupported, over a limit
    │   │   └── PoseFileError  a pose file: wrong format, over a limit
    │   ├── NoPersonError      an input has no person
    │   ├── NotAPuppetError    an input is no puppet, and the preset knows nothing else
    │   └── ParameterError     a setting is out of range, or settings contradict each other
    │       └── MemoryLimitError   the settings need more memory than the device has
    ├── WeightsError           weights are missing, damaged, or for another network
    ├── ContextWindowError     context windows do not cover a frame, or are impossible
    ├── CheckpointError        a checkpoint is damaged, of another run, or cannot be written
    ├── ConfigError            a configuration file has an unknown key, wrong type or invalid value
    ├── StorageError           the storage of checkpoints or training data does not respond
    ├── NotFiniteError         training diverged: a loss, gradient or weight is not finite
    ├── PeerError              another process of the process group failed
    │   └── PeerMemoryError    it ran out of memory; also a MemoryError
    ├── PeerLostError          a process of the process group died or does not respond
    └── CanceledError          the caller canceled the work

Every class has a stable `code`, which the service reports and callers may compare. Messages include
the values and what is allowed, so that no traceback is needed.
"""

from __future__ import annotations

from media.errors import InputError as InputError
from media.errors import MediaError as MediaError
from media.errors import ParameterError as ParameterError
from media.errors import PoseFileError as PoseFileError
from media.errors import TcanError as TcanError


class NoPersonError(InputError):
    """An input has no person."""

    code = "no_person"


class NotAPuppetError(InputError):
    """An input shows no puppet, and the preset or the detector knows only puppets."""

    code = "not_a_puppet"


class MemoryLimitError(ParameterError):
    """The settings need more memory than the device has, by earlier measurements."""

    code = "out_of_memory"


class WeightsError(TcanError):
    """Weights are missing, damaged, or belong to another network."""

    code = "weights"


class ContextWindowError(TcanError):
    """Context windows do not cover a frame, or are impossible for the settings."""

    code = "context_window"


class CheckpointError(TcanError):
    """A checkpoint is damaged, belongs to another run, or cannot store a run's state."""

    code = "checkpoint"


class ConfigError(TcanError):
    """A configuration file has an unknown key, a wrong type, or a value out of range."""

    code = "config"


class StorageError(TcanError):
    """The storage of checkpoints or training data does not respond."""

    code = "storage"


class NotFiniteError(TcanError):
    """Training diverged: a loss, a gradient norm or a weight is infinite or not a number."""

    code = "not_finite"


class PeerError(TcanError):
    """Another process of the process group failed; its log has the details."""

    code = "teammate"


class PeerMemoryError(PeerError, MemoryError):
    """Another process of the process group ran out of memory."""

    code = "teammate_memory"


class PeerLostError(TcanError):
    """A process of the process group died or does not respond; the group is unusable."""

    code = "team_lost"


class CanceledError(TcanError):
    """The caller canceled the work."""

    code = "canceled"
