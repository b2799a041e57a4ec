"""The ControlNet's features of drawn poses, kept between steps: a frame's pose does not change.

They lie on the host, as the latents do, so that a longer video takes no more of the device. All
frames of a video are kept, or none where there is no room for all: of a longer one nothing would be
left when a step comes round to a frame again. A frame that is kept is embedded alone, so
that its features do not depend on which frames came with it: a run that goes on from a checkpoint,
or shares its windows with other processes, gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

KEEP_BYTES = 32 * 2**20


class PoseCache(nn.Module):
    """Stands in for a ControlNet's condition embedding, and remembers a video's frames.

    Args:
        embedding: from maps (batch, 3, height, width) to features (batch, channels, h, w).
        keep_bytes: host memory for kept features.

    Attributes:
        frames: whose maps come next, or None, as between windows.
    """

    def __init__(self, embedding: nn.Module, keep_bytes: int = KEEP_BYTES) -> None:
        super().__init__()
        self.embedding = embedding
        self.keep_bytes = keep_bytes
        self.frames: Sequence[int] | None = None
        self._video_frames = 0
        self._has_room: bool | None = None  # until a frame's features are seen
        self._kept: dict[int, Tensor] = {}

    def begin(self, video_frames: int) -> None:
        """Forget all frames: a video of so many comes."""
        self.frames, self._video_frames = None, video_frames
        self._has_room = None
        self._kept.clear()

    def forward(self, pose_maps: Tensor) -> Tensor:
        """Return features (batch, channels, h, w) of maps (batch, 3, height, width).

        The maps are those of `frames`, one for each; where that is None nothing is kept.
        """
        if self.frames is None or not self._fits(pose_maps):
            features: Tensor = self.embedding(pose_maps)
            return features
        kept = [
            self._of_frame(frame, pose_maps[index : index + 1])
            for index, frame in enumerate(self.frames)
        ]
        return torch.cat(kept).to(pose_maps.device)

    def _fits(self, pose_maps: Tensor) -> bool:
        if self._has_room is None:
            one: Tensor = self.embedding(pose_maps[:1])
            self._has_room = one.nbytes * self._video_frames <= self.keep_bytes
        return self._has_room

    def _of_frame(self, frame: int, pose_map: Tensor) -> Tensor:
        if frame not in self._kept:
            self._kept[frame] = self.embedding(pose_map).cpu()
        return self._kept[frame]


def keep_pose_features(controlnet: nn.Module) -> PoseCache:
    """Put a memory around the ControlNet's condition embedding, once; for inference alone, since
    the weights' names change."""
    embedding = controlnet.get_submodule("controlnet_cond_embedding")
    if isinstance(embedding, PoseCache):
        embedding.begin(0)
        return embedding
    memory = PoseCache(embedding)
    controlnet.register_module("controlnet_cond_embedding", memory)
    return memory
