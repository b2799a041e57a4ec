"""Moves networks to the device for their stage only, to save device memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from torch import nn

from tcan_core.models.networks.tcan import Tcan

HOST = "cpu"


class Offloader:
    """Moves networks to the device for a stage, and back to the host after it.

    The codec and the denoising networks are never on the device together: a nested stage (a preview
    while denoising) moves the outer stage's networks to the host until it ends.

    Args:
        offload: False keeps all networks on the device.
        host: device of networks that are not in use.
    """

    def __init__(self, tcan: Tcan, device: str, *, offload: bool, host: str = HOST) -> None:
        self._tcan, self._device, self._host = tcan, device, host
        self._offload = offload
        self._on_device: Sequence[nn.Module] = ()
        tcan.to(host if offload else device)
        if tcan.image_encoder is not None:
            tcan.image_encoder.to(host)
        tcan.prompt = tcan.prompt.to(device)

    def codec(self) -> AbstractContextManager[None]:
        """Return a context for encoding and decoding images."""
        return self._only((self._tcan.codec,))

    @contextmanager
    def image_encoder(self) -> Iterator[None]:
        """Context for encoding an image as text; the encoder is always on the host otherwise."""
        encoder = self._tcan.image_encoder
        if encoder is None:
            yield
            return
        encoder.to(self._device)
        try:
            yield
        finally:
            encoder.to(self._host)

    def denoising(self) -> AbstractContextManager[None]:
        """Return a context for denoising windows."""
        return self._only(self._tcan.denoising_networks)

    @contextmanager
    def _only(self, networks: Sequence[nn.Module]) -> Iterator[None]:
        before = self._on_device
        self._move(networks)
        try:
            yield
        finally:
            self._move(before)

    def _move(self, networks: Sequence[nn.Module]) -> None:
        if not self._offload:
            return
        for network in self._on_device:
            network.to(self._host)
        for network in networks:
            network.to(self._device)
        self._on_device = networks
