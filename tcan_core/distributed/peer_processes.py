"""Peer processes: child processes that share the windows of every video, one per device.

This process has rank 0: it starts its peers, sends each the next video, and alone reports progress,
decodes and writes. Plain data and pixels are sent, never a pickle.

Peers do not outlive this process: the system closes its ends of the connections however it ends,
and a peer exits when its connection is closed. This process cannot continue without a peer: no
video can be finished then.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch.distributed as dist

from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group
from tcan_core.errors import PeerLostError
from tcan_core.startup import with_passive_waiting

logger = logging.getLogger(__name__)

EXIT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class PeerProcess:
    """One peer, seen from rank 0.

    Attributes:
        connection: carries messages to it. It sends back an empty message when it has loaded its
            model, and another one when it has joined the group.
    """

    device: str
    process: subprocess.Popen[bytes]
    connection: Connection

    def send(self, message: Mapping[str, Any], pixels: bytes | None = None) -> None:
        """Send plain data, and the pixels of an image. Raises PeerLostError."""
        try:
            self.connection.send_bytes(json.dumps(message).encode())
            if pixels is not None:
                self.connection.send_bytes(pixels)
        except OSError as error:
            raise PeerLostError(
                f"the process on {self.device} closed its connection: {error}"
            ) from error

    def wait(self) -> None:
        """Wait for the peer's next message. Raises PeerLostError if it exits instead."""
        try:
            self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            code = self.process.wait()
            raise PeerLostError(
                f"the process on {self.device} ended with {code} while it loaded its model; "
                "the log has its output"
            ) from error

    def stop(self) -> None:
        """Close the connection, on which the peer exits, and wait for its end."""
        self.connection.close()
        try:
            self.process.wait(EXIT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class PeerProcessGroup(TorchProcessGroup):
    """The process group of rank 0, which starts its peers; they load while this process loads.

    Args:
        program: module that peers run; its argument is the file descriptor of the connection.
        devices: one peer is started for each.
        setup: plain data for every peer; "device", "rank", "world_size" and "rendezvous_file" are
            added.
        on_loss: called, from any thread, when a peer has died; this process must then exit.
    """

    def __init__(
        self,
        program: str,
        devices: Sequence[str],
        setup: Mapping[str, Any],
        on_loss: Callable[[], None],
    ) -> None:
        super().__init__()
        self._on_loss = on_loss
        self._is_closing = False
        self._next: tuple[Mapping[str, Any], bytes] | None = None
        self._rendezvous = TemporaryDirectory(prefix="tcan-")
        self._rendezvous_file = f"{self._rendezvous.name}/file"
        self._peers = [_start(program, device) for device in devices]
        for rank, peer in enumerate(self._peers, 1):
            peer.send(
                {
                    **setup,
                    "device": peer.device,
                    "rank": rank,
                    "world_size": len(devices) + 1,
                    "rendezvous_file": self._rendezvous_file,
                }
            )

    def join(self) -> None:
        """Wait until all peers have loaded their models, and join them in a group.

        Raises:
            PeerLostError: a peer exited before that.
        """
        with self._rendezvous:
            for peer in self._peers:
                peer.wait()
            join_local_group(Path(self._rendezvous_file), 0, len(self._peers) + 1)
            for peer in self._peers:
                peer.wait()
        for peer in self._peers:
            name = f"peer {peer.device}"
            threading.Thread(target=self._watch, args=(peer,), name=name, daemon=True).start()

    def set_next(self, message: Mapping[str, Any], pixels: bytes) -> None:
        """Set what the next `sync_errors` sends to all peers: plain data, and an image's pixels.

        It is sent when this process begins with the video, so that an earlier failure here leaves
        no peer waiting.
        """
        self._next = message, pixels

    @contextmanager
    def sync_errors(self) -> Iterator[None]:
        """Start the video of `set_next` in all peers, and take part in it."""
        assert self._next is not None, "set_next() comes first"
        message, self._next = self._next, None
        try:
            for peer in self._peers:
                peer.send(*message)
            del message  # an image may be large
            with super().sync_errors():
                yield
        except PeerLostError as error:
            self._report_loss(str(error))
            raise

    def close(self) -> None:
        """Stop all peers; only needed if this process lives on."""
        self._is_closing = True
        for peer in self._peers:
            peer.stop()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _watch(self, peer: PeerProcess) -> None:
        """Report a peer's exit, also while this process does not wait for the peer."""
        code = peer.process.wait()
        if not self._is_closing:
            self._report_loss(f"the process on {peer.device} ended with {code}")

    def _report_loss(self, reason: str) -> None:
        logger.error("peer process lost: %s; this process cannot continue without it", reason)
        self._on_loss()


def _start(program: str, device: str) -> PeerProcess:
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", program, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=with_passive_waiting(os.environ),
            start_new_session=True,  # Ctrl-C reaches rank 0 only; the peer exits with it
        )
    return PeerProcess(device, process, ours)
