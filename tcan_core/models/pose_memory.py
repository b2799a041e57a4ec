"""The ControlNet's features of drawn poses, kept between steps: a frame's pose does not change.

Each frame is embedded alone, so that its features do not depend on which frames came with it: a run
that goes on from a checkpoint, or shares its windows with other processes, gives the same bits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Of videos of no more frames: of a longer one nothing would be left when a step comes round to a
# frame again, and to keep more would make the memory grow with the length.
KEEP_FRAMES, KEEP_BYTES = 64, 64 * 2**20


class PoseMemory(nn.Module):
    """Stands in for a ControlNet's condition embedding, and remembers the last frames.

    Args:
        embedding: from maps (batch, 3, height, width) to features (batch, channels, h, w).
        keep_bytes: memory on the device for kept features.
    """

    def __init__(self, embedding: nn.Module, keep_bytes: int = KEEP_BYTES) -> None:
        super().__init__()
        self.embedding = embedding
        self.keep_bytes = keep_bytes
        self.frames: Sequence[int] | None = None
        self._kept: OrderedDict[int, Tensor] = OrderedDict()

    def begin(self) -> None:
        """Forget all frames: another video comes."""
        self.frames = None
        self._kept.clear()

    def forward(self, pose_maps: Tensor) -> Tensor:
        """Return features (batch, channels, h, w) of maps (batch, 3, height, width).

        The maps are those of `frames`, one for each; where that is None nothing is kept.
        """
        if self.frames is None:
            features: Tensor = self.embedding(pose_maps)
            return features
        return torch.cat(
            [
                self._of_frame(frame, pose_maps[index : index + 1])
                for index, frame in enumerate(self.frames)
            ]
        )

    def _of_frame(self, frame: int, pose_map: Tensor) -> Tensor:
        found = self._kept.pop(frame, None)
        features: Tensor = self.embedding(pose_map) if found is None else found
        self._kept[frame] = features
        if len(self._kept) > max(1, min(KEEP_FRAMES, self.keep_bytes // features.nbytes)):
            self._kept.popitem(last=False)
        return features


def keep_pose_features(controlnet: nn.Module) -> PoseMemory:
    """Put a memory around the ControlNet's condition embedding, once; for inference alone, since
    the weights' names change."""
    embedding = controlnet.get_submodule("controlnet_cond_embedding")
    if isinstance(embedding, PoseMemory):
        embedding.begin()
        return embedding
    memory = PoseMemory(embedding)
    controlnet.register_module("controlnet_cond_embedding", memory)
    return memory
