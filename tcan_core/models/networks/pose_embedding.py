"""The ControlNet's condition embedding for small presets: two convolutions on folded pose maps.

diffusers' embedding works at full pixel resolution and would take most of a small model's time.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class PatchPoseEmbedding(nn.Module):
    """Maps pose maps to features of the latents' size; its output is initially zero."""

    def __init__(self, patch_size: int, hidden_channels: int, out_channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.conv_in = nn.Conv2d(3 * patch_size**2, hidden_channels, 3, padding=1)
        self.conv_out = nn.Conv2d(hidden_channels, out_channels, 3, padding=1)
        for parameter in self.conv_out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, pose_maps: Tensor) -> Tensor:
        """Return features (batch, channels, height / patch_size, width / patch_size).

        Args:
            pose_maps: (batch, 3, height, width), 0..1.
        """
        patches = F.pixel_unshuffle(pose_maps, self.patch_size)
        output: Tensor = self.conv_out(F.silu(self.conv_in(patches)))
        return output
