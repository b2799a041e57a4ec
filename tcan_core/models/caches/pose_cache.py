"""A cache of the features of drawn poses: a frame's pose is the same at every step.

Features are stored in host memory, so that a longer video takes no more device memory. Either all
frames of a video are cached, or none if they exceed the limit: of a longer video, every entry would
be evicted before its next use. Frames to be cached are embedded one at a time, so that features do
not depend on the other frames of a batch: a run that resumes from a checkpoint, or shares windows
with other processes, gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MAX_BYTES = 32 * 2**20


class PoseCache(nn.Module):
    """A ControlNet's condition embedding or a pose guider, with a cache of one video's frames.

    Args:
        embedding: maps (batch, 3, height, width) to features (batch, channels, h, w).
        max_bytes: limit of host memory for the features.

    Attributes:
        frames: indices of the frames that come next; None caches nothing.
    """

    def __init__(self, embedding: nn.Module, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.embedding = embedding
        self.max_bytes = max_bytes
        self.frames: Sequence[int] | None = None
        self._video_frames = 0
        self._is_enabled: bool | None = None  # None until the size of one frame is known
        self._features: dict[int, Tensor] = {}

    def begin(self, video_frames: int) -> None:
        """Clear the cache for the next video, of this many frames."""
        self.frames, self._video_frames = None, video_frames
        self._is_enabled = None
        self._features.clear()

    def forward(self, pose_maps: Tensor) -> Tensor:
        """Return features (batch, channels, h, w) of maps (batch, 3, height, width).

        The maps are those of `frames`, one for each.
        """
        if self.frames is None or not self._fits(pose_maps):
            features: Tensor = self.embedding(pose_maps)
            return features
        cached = [
            self._of_frame(frame, pose_maps[index : index + 1])
            for index, frame in enumerate(self.frames)
        ]
        return torch.cat(cached).to(pose_maps.device)

    def _fits(self, pose_maps: Tensor) -> bool:
        if self._is_enabled is None:
            features: Tensor = self.embedding(pose_maps[:1])
            self._is_enabled = features.nbytes * self._video_frames <= self.max_bytes
        return self._is_enabled

    def _of_frame(self, frame: int, pose_map: Tensor) -> Tensor:
        if frame not in self._features:
            self._features[frame] = self.embedding(pose_map).cpu()
        return self._features[frame]


def install_pose_cache(controlnet: nn.Module) -> PoseCache:
    """Wrap the ControlNet's condition embedding in a cache, once.

    For inference only, since the weights' names change.
    """
    cache = in_pose_cache(controlnet.get_submodule("controlnet_cond_embedding"))
    controlnet.register_module("controlnet_cond_embedding", cache)
    return cache


def in_pose_cache(embedding: nn.Module) -> PoseCache:
    """Return a network of pose maps in a cache; an existing cache is cleared."""
    if isinstance(embedding, PoseCache):
        embedding.begin(0)
        return embedding
    return PoseCache(embedding)
