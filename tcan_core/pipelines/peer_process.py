"""The life of a companion: `python -m tcan_core.pipelines.peer_process FD`.

FD is its way to the first process, see `companions.py`; the end of that is its own. Plain data and
pixels come on it, never a pickle, and no file of a stranger: the first process has it decoded.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import threading
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from media.limits import MediaLimits
from media.source import Frames
from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group
from tcan_core.errors import CanceledError, PeerError, PeerLostError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import Prepared, follow
from tcan_core.pipelines.device_memory import free_unused
from tcan_core.sampling.state import DenoiseState

logger = logging.getLogger(__name__)

DONE = b""


class HandedOver:
    """The picture that the first process decoded, as a source of media."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def image(self, path: Path, limits: MediaLimits | None) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB, whatever is asked for."""
        return self._pixels

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """None was handed over."""
        raise AssertionError("companions read no videos")


def main(arguments: list[str]) -> None:
    """Load the model, join the others, and take part in what the first process renders."""
    way: Connection = Connection(int(arguments[0]))
    threading.Thread(target=_end_with, args=(way.fileno(),), name="way", daemon=True).start()
    # Who ends all processes of a group or a container means the first; it may want a last step.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        serve(way)
    except (EOFError, PeerLostError):  # the first one, which ends all, or tells of who died
        os._exit(1)


def serve(way: Connection) -> NoReturn:
    """Do what comes on the way.

    Raises:
        EOFError: its other end was closed.
        PeerLostError: another process died.
        ConfigError, WeightsError: the model cannot be loaded.
    """
    told = json.loads(way.recv_bytes())
    pipeline = AnimatePipeline.from_preset(
        told["preset"],
        told["device"],
        folder=None if told["folder"] is None else Path(told["folder"]),
        options=RuntimeOptions(**told["options"]),
        ranks=TorchProcessGroup(),
    )
    way.send_bytes(DONE)
    join_local_group(Path(told["meeting_file"]), told["rank"], told["count"])
    way.send_bytes(DONE)
    while True:
        part = json.loads(way.recv_bytes())
        pixels = np.frombuffer(bytearray(way.recv_bytes()), np.uint8).reshape(part["shape"])
        take_part(pipeline, part, pixels)


def take_part(pipeline: AnimatePipeline, part: dict[str, Any], pixels: NDArray[np.uint8]) -> None:
    """Take part in one video, whose failure here is told to the others and logged.

    Raises:
        PeerLostError: another process died.
    """
    try:
        with pipeline.ranks.together():
            prepared = Path(part["prepared"])
            follow(
                pipeline,
                Prepared.load(prepared, prepared, media=HandedOver(pixels)),
                AnimateSettings(**part["settings"]),
                None if part["resume"] is None else DenoiseState.load(Path(part["resume"])),
            )
    except PeerLostError:
        raise
    except (CanceledError, PeerError):
        pass  # the first process knows of it
    except Exception:
        logger.exception("the process on %s leaves a video", pipeline.device)
    else:
        return
    free_unused(pipeline.device)


def _end_with(way: int) -> NoReturn:
    """End this process when the first one's end of the way is closed, whatever it is doing."""
    poll = select.poll()
    poll.register(way, 0)  # of a hang-up the system tells in any case
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
