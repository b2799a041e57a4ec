"""The image encoder: a CLIP embedding of the source image as text of cross-attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

# Of the pixels that CLIP was trained on, 0..1 RGB.
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder(nn.Module):
    """CLIP's vision model with its projection."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))

    @torch.no_grad()
    def embed(self, image: NDArray[np.uint8]) -> Tensor:
        """Return the embedding of an image, (dim,).

        Args:
            image: (height, width, 3) uint8 RGB, squeezed to the network's square.
        """
        side = int(self.config.get("image_size", 224))
        square = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        weight = self.clip.visual_projection.weight
        mean, deviation = torch.tensor(MEAN), torch.tensor(DEVIATION)
        pixels = (torch.from_numpy(square.copy()) / 255 - mean) / deviation
        inputs = pixels.permute(2, 0, 1)[None].to(weight)
        embedding: Tensor = self.clip(inputs).image_embeds[0]
        return embedding
