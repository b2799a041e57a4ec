"""The network as the denoising loop calls it: windows in, predictions out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from tcan_core.conditioning.pose_maps import PoseMaps, RecentPoseMaps
from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import CanceledError
from tcan_core.models.caches.deep_features import DeepFeatureCache
from tcan_core.models.networks.tcan import Tcan

# Host memory for temperature maps, which cost a few milliseconds each to make again.
KEPT_TEMPERATURES_BYTES = 64 * 2**20


class WindowPredictor:
    """Predicts windows of one video; the reference is read once per step, for all of them.

    Args:
        ref_image_latents: (1, channels, h, w) on the model's device.
        pose_maps: of the whole video; a window's are read when it is predicted.
        ptm_tau: strength of the pose-driven temperature; 0 switches it off.
        guidance_scale: 1 computes no unconditional half.
        deep: which windows need not pass the whole network; by default all always do.
        canceled: asked within a window, between the passes of networks, which takes nothing; None
            where several processes must agree on it, which they do between windows.
    """

    def __init__(
        self,
        tcan: Tcan,
        ref_image_latents: Tensor,
        pose_maps: PoseMaps,
        ptm_tau: float,
        guidance_scale: float,
        deep: DeepFeatureCache | None = None,
        canceled: Callable[[], bool] | None = None,
    ) -> None:
        self.tcan = tcan
        self.ref_image_latents = ref_image_latents
        self.pose_maps = RecentPoseMaps(pose_maps)
        self.ptm_tau = ptm_tau
        self.guidance_scale = guidance_scale
        self._deep = deep or DeepFeatureCache(1, [])
        self._canceled = canceled
        self._read_at: float | None = None
        self._memory = tcan.pose_cache
        if self._memory is not None:
            self._memory.begin(len(pose_maps))
        height, width = pose_maps.size
        self._room = max(1, KEPT_TEMPERATURES_BYTES // (4 * height * width))
        self._temperatures: OrderedDict[int, Tensor] = OrderedDict()  # by the window's first frame

    def forget_reference(self) -> None:
        """Read the reference anew, also at a timestep at which it was read."""
        self._read_at = None

    def __call__(self, latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        """Predict for n windows; latents (n, c, f, h, w) from any device, and likewise back.

        Raises:
            CanceledError: `canceled` returned True.
        """
        device, dtype = self.ref_image_latents.device, self.tcan.dtype
        if self._read_at != float(timestep):
            ref_image_latents = self.ref_image_latents.to(dtype)
            self.tcan.read_reference(ref_image_latents, timestep.to(device)[None])
            self._read_at = float(timestep)
            self._between()
        known = [self._deep.knows(window) for window in windows]
        if all(known) or not any(known):
            return self._predict(latents, timestep, windows, is_known=all(known))
        predictions = [
            self._predict(latents[index : index + 1], timestep, [window], is_known=is_known)
            for index, (window, is_known) in enumerate(zip(windows, known, strict=True))
        ]
        return torch.cat(predictions)

    def _predict(
        self, latents: Tensor, timestep: Tensor, windows: list[list[int]], *, is_known: bool
    ) -> Tensor:
        """Predict for windows whose deep features are all kept, or for none of which they are."""
        device, dtype = self.ref_image_latents.device, self.tcan.dtype
        maps = [torch.from_numpy(self.pose_maps.frames(window)) for window in windows]
        self.tcan.temperature.maps = self._stacked_temperatures(windows, maps, device)
        pose_maps = torch.stack(maps).to(device).permute(0, 4, 1, 2, 3).to(dtype) / 255
        steps = timestep.to(device).expand(len(windows))
        deep = self._deep.take(windows, device) if is_known else self._deep.wanted()
        with self._remembering([frame for window in windows for frame in window]):
            prediction = self.tcan.predict(
                latents.to(device, dtype),
                steps,
                pose_maps,
                self.guidance_scale,
                deep,
                self._between,
            )
        if deep is not None and not is_known:
            self._deep.keep(windows, deep)
        return prediction

    def _between(self) -> None:
        if self._canceled is not None and self._canceled():
            raise CanceledError("canceled within a window")

    @contextmanager
    def _remembering(self, frames: list[int]) -> Iterator[None]:
        """While these frames are predicted, their poses' features are kept or known already."""
        if self._memory is not None:
            self._memory.frames = frames
        try:
            yield
        finally:
            if self._memory is not None:
                self._memory.frames = None

    def _stacked_temperatures(
        self, windows: list[list[int]], maps: list[Tensor], device: torch.device
    ) -> Tensor | None:
        """Return the windows' temperature maps (n, height, width)."""
        if self.ptm_tau == 0:
            return None
        found = [self._temperature(window[0], of) for window, of in zip(windows, maps, strict=True)]
        return torch.stack(found).to(device)

    def _temperature(self, first: int, maps: Tensor) -> Tensor:
        if first not in self._temperatures:
            made = torch.from_numpy(temperature_map(maps.numpy(), self.ptm_tau))
            self._temperatures[first] = made
            if len(self._temperatures) > self._room:
                self._temperatures.popitem(last=False)
        return self._temperatures[first]
