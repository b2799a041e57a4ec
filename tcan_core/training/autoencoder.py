"""Training of a small preset's autoencoder: reconstruction with a weak KL penalty."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.errors import ConfigError
from tcan_core.models.weights.builders import build_codec
from tcan_core.models.weights.loading import load_strictly
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.batches import check_size
from tcan_core.training.checkpoint import export_part
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.drawing import Drawing, puppet_names
from tcan_core.training.puppet_data import PuppetPictures, load_puppets, to_images
from tcan_core.training.samples import Samples, integers, normal
from tcan_core.training.sheets import as_pictures, tile
from tcan_core.training.structure import structural_similarity

SHEET_PICTURES = 12


@dataclass(frozen=True)
class AutoencoderConfig:
    """Configuration of `tcan train autoencoder`.

    Attributes:
        kl_weight: weight of the mean KL divergence per latent value from a unit normal.
        edge_weight: weight of the absolute error of horizontal and vertical pixel differences.
        structure_weight: weight of 1 - SSIM.
        initial_vae: folder with the `vae` to start from; None starts from random weights.
        decoder_only: freeze the encoder, so that the latents and everything trained on them stay
            valid. Needs `initial_vae`.
    """

    preset: str
    run: RunConfig
    data: PuppetData = field(default_factory=PuppetData)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    kl_weight: float = 1e-4
    edge_weight: float = 0.1
    structure_weight: float = 0.0
    initial_vae: str | None = None
    decoder_only: bool = False

    def __post_init__(self) -> None:
        if self.decoder_only and self.initial_vae is None:
            raise ConfigError(
                "decoder_only is true but initial_vae is not set; name a folder with a trained vae"
            )


@dataclass(frozen=True)
class ImageBatch:
    """A micro-batch of single images.

    Attributes:
        images: (batch, 3, size, size), -1..1.
        samples: the generators of its rows, from which noise is drawn next.
    """

    images: Tensor
    samples: Samples


@dataclass(frozen=True)
class ImageDrawing(Drawing):
    """Draws single images of puppets."""

    pictures: PuppetPictures

    def draw(self, samples: Samples) -> ImageBatch:
        """Return the micro-batch of these samples."""
        characters = integers(samples, len(self.pictures))
        frames = integers(samples, self.pictures.images.shape[1])
        return ImageBatch(to_images(self.pictures.images[characters, frames]), samples)

    def names(self, samples: Samples) -> list[str]:
        """Return the puppet that `draw` draws for each sample."""
        return puppet_names(samples, len(self.pictures))


class AutoencoderStage:
    """Training of the autoencoder on single images."""

    validation = None
    base: tuple[str, ...] = ()
    pictures: PuppetPictures
    drawing: ImageDrawing

    def __init__(self, config: AutoencoderConfig) -> None:
        self.config = config
        torch.manual_seed(config.run.seed)
        self.preset = preset = load_preset(config.preset)
        self.codec = build_codec(preset).to(config.run.device)
        if config.initial_vae is not None:
            state = read_part(preset, "vae", Path(config.initial_vae))
            load_strictly(self.codec.vae, state, "vae")
        if config.decoder_only:
            assert self.codec.vae.quant_conv is not None
            self.codec.vae.encoder.requires_grad_(False)
            self.codec.vae.quant_conv.requires_grad_(False)
        self.trained = nn.ModuleDict({"vae": self.codec.vae})

    def open_data(self) -> None:
        """Open the puppets."""
        check_size(self.config.data.size, self.codec.factor)
        self.pictures = load_puppets(self.config.data)
        self.drawing = ImageDrawing(self.pictures)

    def loss(self, batch: ImageBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted sum of squared error, edge error, KL divergence and 1 - SSIM."""
        images = batch.images.to(self.config.run.device)
        mean, log_variance = self.codec.moments(images)
        noise = normal(batch.samples, mean.shape[1:]).to(mean.device)
        latents = mean + (0.5 * log_variance).exp() * noise
        output = self.codec.unscaled_decode(latents).float()
        squared = F.mse_loss(output, images)
        edges = _edge_error(output, images)
        kl = (
            0.5 * (mean.float() ** 2 + log_variance.float().exp() - 1 - log_variance.float()).mean()
        )
        loss = squared + self.config.edge_weight * edges + self.config.kl_weight * kl
        scalars = {
            "psnr": float(10 * torch.log10(4 / squared.detach())),
            "kl": float(kl.detach()),
        }
        if self.config.structure_weight:
            similarity = structural_similarity(output, images)
            loss = loss + self.config.structure_weight * (1 - similarity)
            scalars["ssim"] = float(similarity.detach())
        return loss, scalars

    def sheet(self) -> NDArray[np.uint8]:
        """Return images above their reconstructions."""
        images = to_images(self.pictures.images[:SHEET_PICTURES, 0]).to(self.config.run.device)
        output = self.codec.unscaled_decode(self.codec.moments(images)[0])
        return tile([as_pictures(images), as_pictures(output)])

    def export(self, folder: Path) -> None:
        """Write vae.safetensors."""
        export_part(folder / "vae.safetensors", self.codec.vae.state_dict())


def _edge_error(output: Tensor, images: Tensor) -> Tensor:
    """Return the mean absolute error of pixel differences; both (batch, 3, height, width)."""
    down = (output.diff(dim=2) - images.diff(dim=2)).abs().mean()
    across = (output.diff(dim=3) - images.diff(dim=3)).abs().mean()
    return down + across
