"""The network as the denoising loop calls it: windows in, predictions out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from tcan_core.conditioning.pose_maps import PoseMaps, RecentPoseMaps
from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import CanceledError
from tcan_core.models.caches.deep_features import DeepFeatureCache
from tcan_core.models.networks.tcan import Residuals, Tcan
from tcan_core.pipelines.control_blocks import ControlBlocks

# Host memory for temperature maps, each of which takes a few milliseconds to compute again.
TEMPERATURE_CACHE_BYTES = 64 * 2**20


class WindowPredictor:
    """Predicts windows of one video; the reference is read once per step, for all of them.

    Args:
        ref_image_latents: (1, channels, h, w) on the model's device.
        pose_maps: drawn poses of the whole video; those of a window are read when it is predicted.
        ptm_tau: strength of the pose-driven temperature; 0 disables it.
        guidance_scale: 1 skips the unconditional prediction.
        control_block: frames that a temporal ControlNet sees together, in blocks without overlap;
            None is those of the window.
        deep_cache: deep features of windows; by default none are cached.
        is_canceled: called between the passes of networks; None if several processes share the
            windows, since they can only stop together, between windows.
    """

    def __init__(
        self,
        tcan: Tcan,
        ref_image_latents: Tensor,
        pose_maps: PoseMaps,
        ptm_tau: float,
        guidance_scale: float,
        control_block: int | None = None,
        deep_cache: DeepFeatureCache | None = None,
        is_canceled: Callable[[], bool] | None = None,
    ) -> None:
        self.tcan = tcan
        self.ref_image_latents = ref_image_latents
        self.pose_maps = RecentPoseMaps(pose_maps)
        self.ptm_tau = ptm_tau
        self.guidance_scale = guidance_scale
        self._deep_cache = deep_cache or DeepFeatureCache(1, [])
        self._is_canceled = is_canceled
        self._reference_timestep: float | None = None
        self._pose_cache = tcan.pose_cache
        if self._pose_cache is not None:
            self._pose_cache.begin(len(pose_maps))
        height, width = pose_maps.size
        self._max_temperatures = max(1, TEMPERATURE_CACHE_BYTES // (4 * height * width))
        self._temperatures: OrderedDict[int, Tensor] = OrderedDict()  # by the window's first frame
        self._control_blocks: ControlBlocks | None = None
        if control_block is not None and tcan.has_temporal_control:
            blocks = ControlBlocks(self._control_block, len(pose_maps), control_block)
            self._control_blocks = blocks

    def begin_step(self, latents: Tensor, timestep: Tensor) -> None:
        """Take the whole video's latents, (1, c, F, h, w), for blocks of the ControlNet."""
        if self._control_blocks is not None:
            self._control_blocks.begin_step()
            self._video, self._timestep = latents, timestep

    def forget_reference(self) -> None:
        """Read the reference again at the next call, even if its timestep is the same."""
        self._reference_timestep = None

    def __call__(self, latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        """Predict n windows, (n, c, f, h, w); the latents may be on any device.

        Raises:
            CanceledError: `is_canceled` returned True.
        """
        device, dtype = self.ref_image_latents.device, self.tcan.dtype
        self._read_reference(timestep)
        is_cached = [self._deep_cache.has(window) for window in windows]
        # Only windows that are all cached, or all not, can pass the network together.
        batch = len(windows) if len(set(is_cached)) == 1 else 1
        predictions = []
        for first in range(0, len(windows), batch):
            chosen = windows[first : first + batch]
            cache = self._deep_cache
            deep = cache.take(chosen, device) if is_cached[first] else cache.empty()
            pose_maps = self._to_device(self._load_poses(chosen))
            blocks = self._control_blocks
            with self._pose_features_of(chosen):
                prediction = self.tcan.predict(
                    latents[first : first + batch].to(device, dtype),
                    timestep.to(device).expand(len(chosen)),
                    pose_maps,
                    self.guidance_scale,
                    deep,
                    self._check_canceled,
                    None if blocks is None else partial(blocks.of_windows, chosen),
                )
            if deep is not None and not is_cached[first]:
                cache.keep(chosen, deep)
            predictions.append(prediction)
        return torch.cat(predictions) if len(predictions) > 1 else predictions[0]

    def _to_device(self, pose_maps: Tensor) -> Tensor:
        """Convert (n, f, height, width, 3) uint8 to (n, 3, f, height, width) in 0..1."""
        moved = pose_maps.to(self.ref_image_latents.device).permute(0, 4, 1, 2, 3)
        return moved.to(self.tcan.dtype) / 255

    def _control_block(self, frames: list[int], count: int | None) -> Residuals:
        """Run the ControlNet on some frames of the current step."""
        device = self.ref_image_latents.device
        pose_maps = torch.from_numpy(self.pose_maps.frames(frames))[None]
        with self._pose_features_of([frames]):
            return self.tcan.control(
                self._video[:, :, frames].to(device, self.tcan.dtype),
                self._timestep.to(device)[None],
                self._to_device(pose_maps),
                count,
            )

    def _read_reference(self, timestep: Tensor) -> None:
        """Read the reference at a timestep (), unless that was done already."""
        if self.tcan.reference.timestep == "zero":
            timestep = torch.zeros_like(timestep)
        if self._reference_timestep == float(timestep):
            return
        ref_image_latents = self.ref_image_latents.to(self.tcan.dtype)
        self.tcan.read_reference(ref_image_latents, timestep.to(ref_image_latents.device)[None])
        self._reference_timestep = float(timestep)
        self._check_canceled()

    def _check_canceled(self) -> None:
        if self._is_canceled is not None and self._is_canceled():
            raise CanceledError("canceled within a window")

    def _load_poses(self, windows: list[list[int]]) -> Tensor:
        """Return pose maps (n, f, height, width, 3) uint8, and set the temperature maps."""
        maps = [torch.from_numpy(self.pose_maps.frames(window)) for window in windows]
        temperatures = None
        if self.ptm_tau != 0:
            by_window = [self._temperature(w[0], m) for w, m in zip(windows, maps, strict=True)]
            temperatures = torch.stack(by_window).to(self.ref_image_latents.device)
        self.tcan.temperature.maps = temperatures
        return torch.stack(maps)

    @contextmanager
    def _pose_features_of(self, windows: Sequence[Sequence[int]]) -> Iterator[None]:
        """Cache the features of these windows' poses, or use cached ones, in this context."""
        if self._pose_cache is not None:
            self._pose_cache.frames = [frame for window in windows for frame in window]
        try:
            yield
        finally:
            if self._pose_cache is not None:
                self._pose_cache.frames = None

    def _temperature(self, first: int, pose_maps: Tensor) -> Tensor:
        """Return the temperature map (height, width) of the window that starts at a frame."""
        if first not in self._temperatures:
            computed = torch.from_numpy(temperature_map(pose_maps.numpy(), self.ptm_tau))
            self._temperatures[first] = computed
            if len(self._temperatures) > self._max_temperatures:
                self._temperatures.popitem(last=False)
        return self._temperatures[first]
