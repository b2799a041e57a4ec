"""Where a model's networks are: on the device all the time, or only while their stage lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from tcan_core.models.networks.tcan import Tcan

HOST = "cpu"


class Offloader:
    """Brings networks to the device for a stage, and back to the host after it.

    The codec and the denoising networks are never there together: a stage inside of another one
    (a preview while denoising) sends the outer one's networks away for its time.

    Args:
        device: where the stages compute.
        offload: False keeps everything on the device.
        host: where networks wait.
    """

    def __init__(self, tcan: Tcan, device: str, *, offload: bool, host: str = HOST) -> None:
        self._tcan, self._device, self._host = tcan, device, host
        self._offload = offload
        self._here: Sequence[nn.Module] = ()
        tcan.to(host if offload else device)
        tcan.prompt = tcan.prompt.to(device)

    @contextmanager
    def codec(self) -> Iterator[None]:
        """While pictures are encoded or decoded."""
        with self._only((self._tcan.codec,)):
            yield

    @contextmanager
    def denoising(self) -> Iterator[None]:
        """While windows are denoised."""
        with self._only(self._tcan.denoising_networks):
            yield

    @contextmanager
    def _only(self, networks: Sequence[nn.Module]) -> Iterator[None]:
        before = self._here
        self._move(networks)
        try:
            yield
        finally:
            self._move(before)

    def _move(self, networks: Sequence[nn.Module]) -> None:
        if not self._offload:
            return
        for network in self._here:
            network.to(self._host)
        for network in networks:
            network.to(self._device)
        self._here = networks
