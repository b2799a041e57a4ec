"""Further processes that share the windows of every video with this one, each on its own device.

This process, the first of them, starts the others, which load the same model, and hands each of
them what it begins to render. It alone reports, decodes and writes.

Nobody outlives it: the system closes the ways to its companions with it, however it ends, and they
end when theirs is closed. Nor does it outlive them: without one of them no video can be finished.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray

from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group
from tcan_core.errors import PeerLostError
from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.animate import AnimateSettings

logger = logging.getLogger(__name__)

PROGRAM = "tcan_core.pipelines.peer_process"
DEATH_S = 5.0


@dataclass(frozen=True)
class PeerProcess:
    """One of the others, seen from the first.

    Attributes:
        device: that its model is on.
        way: on which it is told what to do. It says there, without a word, that it has loaded its
            model, and then that it has joined.
    """

    device: str
    process: subprocess.Popen[bytes]
    way: Connection

    def tell(self, content: dict[str, Any], pixels: bytes | None = None) -> None:
        """Send plain data, and the pixels of a picture. Raises PeerLostError."""
        try:
            self.way.send_bytes(json.dumps(content).encode())
            if pixels is not None:
                self.way.send_bytes(pixels)
        except OSError as error:
            raise PeerLostError(f"the process on {self.device} does not listen: {error}") from error

    def wait(self) -> None:
        """Wait until it says that it is done. Raises PeerLostError when it ends instead."""
        try:
            self.way.recv_bytes()
        except (EOFError, OSError) as error:
            code = self.process.wait()
            raise PeerLostError(
                f"the process on {self.device} ended with {code} while it loaded its model; "
                "what it said is in the log"
            ) from error

    def end(self) -> None:
        """End it."""
        self.way.close()
        try:
            self.process.wait(DEATH_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class PeerProcessGroup(TorchProcessGroup):
    """The ranks of a pipeline in the first process; starts the others, which load beside it.

    Args:
        devices: of the others, one for each.
        preset, folder, options: as for `AnimatePipeline.from_preset`.
        on_loss: called, from any thread, when one of them has died; this process must then end.
    """

    def __init__(
        self,
        devices: Sequence[str],
        preset: str,
        folder: Path | None,
        options: RuntimeOptions,
        on_loss: Callable[[], None],
    ) -> None:
        super().__init__()
        self._on_loss = on_loss
        self._is_closing = False
        self._next: tuple[dict[str, Any], bytes] | None = None
        self._meeting = TemporaryDirectory(prefix="tcan-")
        self._meeting_file = f"{self._meeting.name}/file"
        self._all = [_start(device) for device in devices]
        for rank, companion in enumerate(self._all, 1):
            companion.tell(
                {
                    "device": companion.device,
                    "preset": preset,
                    "folder": None if folder is None else str(folder),
                    "options": asdict(options),
                    "meeting_file": self._meeting_file,
                    "rank": rank,
                    "count": len(devices) + 1,
                }
            )

    def join(self) -> None:
        """Wait until all have loaded their model, and join them.

        Raises:
            PeerLostError: one of them ended before.
        """
        with self._meeting:
            for companion in self._all:
                companion.wait()
            join_local_group(Path(self._meeting_file), 0, len(self._all) + 1)
            for companion in self._all:
                companion.wait()
        for companion in self._all:
            name = f"companion {companion.device}"
            threading.Thread(target=self._watch, args=(companion,), name=name, daemon=True).start()

    def hand_over(
        self,
        prepared: Path,
        image: NDArray[np.uint8],
        settings: AnimateSettings,
        resume: Path | None,
    ) -> None:
        """Say what is rendered next.

        The others hear of it when this process begins with it; who fails before keeps none waiting.

        Args:
            prepared: what `Prepared.save` wrote; stays where it is, as `resume`, meanwhile.
            image: (height, width, 3) uint8 RGB, as it was decoded here.
            resume: a file of a `DenoiseState`.
        """
        content = {
            "prepared": str(prepared),
            "shape": image.shape,
            "settings": asdict(settings),
            "resume": None if resume is None else str(resume),
        }
        self._next = content, image.tobytes()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Begin, with all others, with what was handed over."""
        assert self._next is not None, "hand_over() comes first"
        handed_over, self._next = self._next, None
        try:
            for companion in self._all:
                companion.tell(*handed_over)
            del handed_over  # large pictures are
            with super().together():
                yield
        except PeerLostError as error:
            self._lose(str(error))
            raise

    def close(self) -> None:
        """End all others; needed only where this process lives on."""
        self._is_closing = True
        for companion in self._all:
            companion.end()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _watch(self, companion: PeerProcess) -> None:
        """Wait for the end of one, which may come while this process does not wait for it."""
        code = companion.process.wait()
        if not self._is_closing:
            self._lose(f"the process on {companion.device} ended with {code}")

    def _lose(self, reason: str) -> None:
        logger.error("%s; without it this process cannot go on", reason)
        self._on_loss()


def _start(device: str) -> PeerProcess:
    here, there = Pipe()
    with there:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", PROGRAM, str(there.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[there.fileno()],
            start_new_session=True,  # Ctrl-C is for the first, whose end ends it
        )
    return PeerProcess(device, process, here)
