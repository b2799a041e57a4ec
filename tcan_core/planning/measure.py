"""Measure the memory of each stage: by counting tensors without contents, or on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.meta_model import uninitialized_tcan
from tcan_core.models.weights.presets import Preset
from tcan_core.planning.accounting import PeakMemory
from tcan_core.planning.architecture import architecture_of
from tcan_core.planning.table import CodecMemory, DenoisingMemory, Size

GUIDANCE = 7.5
Networks = Sequence[nn.Module]
META = "meta"


@dataclass(frozen=True)
class MeasuredModel:
    """A model to measure, with uninitialized weights.

    Attributes:
        device: "meta" counts tensors; "cuda" measures torch's allocator.
    """

    preset: Preset
    tcan: Tcan
    options: RuntimeOptions
    device: str = META

    @classmethod
    def build(cls, preset: Preset, options: RuntimeOptions, device: str = META) -> MeasuredModel:
        """Build the preset's model and apply the options."""
        with torch.device(device), torch.no_grad():
            tcan = set_up(uninitialized_tcan(preset, options.torch_dtype), options)
        return cls(preset, tcan, options, device)

    def denoising(
        self, size: Size, frames: int, windows: int, serial_guidance: bool
    ) -> DenoisingMemory:
        """Measure the denoising networks.

        Args:
            size: (height, width) of the model's images, in pixels.
            frames: frames in a window.
            windows: windows predicted together.
            serial_guidance: replaces the option.
        """
        tcan = self.tcan
        tcan.serial_guidance = serial_guidance
        networks = tcan.denoising_networks
        return DenoisingMemory(
            self.preset.name,
            architecture_of(self.preset).denoising,
            size,
            frames,
            windows,
            dtype=self.options.dtype,
            fp8_weights=self.options.fp8_weights,
            serial_guidance=serial_guidance,
            weights_bytes=sum(_bytes_of(network) for network in networks),
            peak_bytes=self._peak(networks, lambda: _denoise(tcan, size, frames, windows)),
        )

    def codec(self, size: Size, frames: int) -> CodecMemory:
        """Measure the codec: encode an image, then decode some frames together."""
        codec = self.tcan.codec
        return CodecMemory(
            self.preset.name,
            architecture_of(self.preset).codec,
            size,
            frames,
            dtype=str(self.options.codec_dtype).removeprefix("torch."),
            tile_codec=self.options.tile_codec,
            weights_bytes=_bytes_of(codec),
            peak_bytes=self._peak((codec,), lambda: _code(self.tcan, size, frames)),
        )

    @torch.no_grad()
    def _peak(self, networks: Networks, stage: Callable[[], object]) -> int:
        measure = accounted if self.device == META else allocated_on_cuda
        return measure(networks, stage)


class FusedAttention(TorchFunctionMode):
    """A mode in which attention allocates only its output, like fused kernels."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Run all functions unchanged but attention."""
        if func is F.scaled_dot_product_attention:
            return torch.empty_like(args[0])
        return func(*args, **(kwargs or {}))


def accounted(networks: Networks, stage: Callable[[], object]) -> int:
    """Return a stage's peak bytes of tensors, without the weights."""
    allocated = PeakMemory()
    with FusedAttention(), allocated:
        for network in networks:
            allocated.include(_tensors_of(network))
        before: int = allocated.now_bytes
        stage()
    return int(allocated.peak_bytes - before)


def allocated_on_cuda(networks: Networks, stage: Callable[[], object]) -> int:
    """Return a stage's peak bytes in torch's allocator on the current CUDA device."""
    before = int(torch.cuda.memory_allocated())
    torch.cuda.reset_peak_memory_stats()
    stage()
    return int(torch.cuda.max_memory_allocated()) - before


def _denoise(tcan: Tcan, size: Size, frames: int, windows: int) -> None:
    """Predict two batches of windows; the second runs with filled caches."""
    kind: dict[str, Any] = {"dtype": tcan.dtype, "device": tcan.prompt.device}
    factor, channels = tcan.codec.factor, tcan.codec.latent_channels
    height, width = size[0] // factor, size[1] // factor
    timestep = torch.full((windows,), 500, device=tcan.prompt.device)
    tcan.read_reference(torch.empty(1, channels, height, width, **kind), timestep[:1])
    tcan.temperature.maps = torch.empty(windows, *size, device=tcan.prompt.device)
    for _ in range(2):
        latents = torch.empty(windows, channels, frames, height, width, **kind)
        pose_maps = torch.empty(windows, 3, frames, *size, **kind)
        tcan.predict(latents, timestep, pose_maps, GUIDANCE)


def _code(tcan: Tcan, size: Size, frames: int) -> None:
    device = tcan.prompt.device
    latents = tcan.codec.encode(torch.empty(1, 3, *size, device=device))
    tcan.codec.decode(latents.expand(frames, -1, -1, -1).contiguous())


def _bytes_of(network: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _tensors_of(network))


def _tensors_of(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
