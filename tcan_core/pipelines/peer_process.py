"""Pipelines in peer processes: what rank 0 sends, and the program that a peer runs.

`python -m tcan_core.pipelines.peer_process FD` is that program; FD is its connection to rank 0, and
it exits when that is closed. It opens no uploaded image or video: rank 0 has them decoded and sends
the pixels.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from media.image_file import ignore_warning
from media.limits import MediaLimits, PoseFileLimits
from media.poses.document import Files
from media.source import Frames
from tcan_core.distributed.peer_processes import PeerProcessGroup
from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group
from tcan_core.errors import CanceledError, PeerError, PeerLostError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import PreparedInput, render_as_peer
from tcan_core.pipelines.device_memory import free_unused
from tcan_core.sampling.state import DenoiseState

logger = logging.getLogger(__name__)

PROGRAM = "tcan_core.pipelines.peer_process"
READY = b""


class PipelinePeers(PeerProcessGroup):
    """Peers that load the same model as this process and share the windows of its videos.

    Args:
        devices: one peer is started for each.
        preset, folder, options: as for `AnimatePipeline.from_preset`.
        on_loss: called, from any thread, when a peer has died; this process must then exit.
    """

    def __init__(
        self,
        devices: Sequence[str],
        preset: str,
        folder: Path | None,
        options: RuntimeOptions,
        on_loss: Callable[[], None],
    ) -> None:
        setup = {
            "preset": preset,
            "folder": None if folder is None else str(folder),
            "options": asdict(options),
        }
        super().__init__(PROGRAM, devices, setup, on_loss)

    def set_next_video(
        self,
        prepared: Path,
        image: NDArray[np.uint8],
        settings: AnimateSettings,
        resume: Path | None,
    ) -> None:
        """Set the video that this process renders next; see `set_next`.

        Args:
            prepared: file of `PreparedInput.save`; it and `resume` must exist until the end.
            image: (height, width, 3) uint8 RGB.
            resume: file of a `DenoiseState`.
        """
        message = {
            "prepared": str(prepared),
            "shape": image.shape,
            "settings": asdict(settings),
            "resume": None if resume is None else str(resume),
        }
        self.set_next(message, image.tobytes())


class DecodedImage:
    """A media source with one image: the one that rank 0 decoded."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def image(
        self,
        path: Path,
        limits: MediaLimits | None,
        warn: Callable[[str], None] = ignore_warning,
    ) -> NDArray[np.uint8]:
        """Return the image (height, width, 3) uint8 RGB; the path is ignored."""
        return self._pixels

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """Fail: peers read no videos."""
        raise AssertionError("peer processes read no videos")

    def poses(self, path: Path, limits: PoseFileLimits) -> Files:
        """Fail: peers read no pose files."""
        raise AssertionError("peer processes read no pose files")

    def sound(self, path: Path, warn: Callable[[str], None], start_s: float) -> bytes | None:
        """Fail: peers read no sound."""
        raise AssertionError("peer processes read no sound")


def main(arguments: list[str]) -> None:
    """Load the model, join the group, and render videos together with rank 0."""
    connection: Connection = Connection(int(arguments[0]))
    fd = connection.fileno()
    threading.Thread(target=_exit_on_hangup, args=(fd,), name="hangup", daemon=True).start()
    # A signal to the whole process group or container is for rank 0, which may finish a step first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        serve(connection)
    except (EOFError, PeerLostError):  # rank 0 is gone, or reports the peer that died
        os._exit(1)


def serve(connection: Connection) -> NoReturn:
    """Set up the pipeline that rank 0 asks for, then render one video per message.

    Raises:
        EOFError: rank 0 closed the connection.
        PeerLostError: another process died.
        ConfigError, WeightsError: the model cannot be loaded.
    """
    setup = json.loads(connection.recv_bytes())
    pipeline = AnimatePipeline.from_preset(
        setup["preset"],
        setup["device"],
        folder=None if setup["folder"] is None else Path(setup["folder"]),
        options=RuntimeOptions(**setup["options"]),
        group=TorchProcessGroup(),
    )
    connection.send_bytes(READY)
    join_local_group(Path(setup["rendezvous_file"]), setup["rank"], setup["world_size"])
    connection.send_bytes(READY)
    while True:
        message = json.loads(connection.recv_bytes())
        pixels = np.frombuffer(bytearray(connection.recv_bytes()), np.uint8)
        render_shared(pipeline, message, pixels.reshape(message["shape"]))


def render_shared(
    pipeline: AnimatePipeline, message: dict[str, Any], pixels: NDArray[np.uint8]
) -> None:
    """Render one video together with the other processes; log a failure, which they hear of.

    Raises:
        PeerLostError: another process died.
    """
    try:
        with pipeline.group.sync_errors():
            prepared = Path(message["prepared"])
            render_as_peer(
                pipeline,
                PreparedInput.load(prepared, prepared, media=DecodedImage(pixels)),
                AnimateSettings(**message["settings"]),
                None if message["resume"] is None else DenoiseState.load(Path(message["resume"])),
            )
    except PeerLostError:
        raise
    except (CanceledError, PeerError):
        pass  # rank 0 knows
    except Exception:
        logger.exception("the process on %s failed to render a video", pipeline.device)
    else:
        return
    free_unused(pipeline.device)


def _exit_on_hangup(fd: int) -> NoReturn:
    """Exit this process, whatever it is doing, when rank 0 closes its end of the connection."""
    poll = select.poll()
    poll.register(fd, 0)  # the system always reports a hangup
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
