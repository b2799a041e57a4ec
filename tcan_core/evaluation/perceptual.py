"""LPIPS, a perceptual distance by a network calibrated on human judgements.

Optional: the extra `lpips` installs the package with the calibrated heads. The weights of AlexNet
are read from this machine and never downloaded.

Source: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric,
arXiv 1801.03924, version 0.1 on AlexNet.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tcan_core.errors import ConfigError, InputError, WeightsError
from tcan_core.evaluation.metrics import Frames
from tcan_core.models.weights.loading import load_strictly
from tcan_core.models.weights.store import check_digest, store_folder

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"  # as torchvision publishes and caches it
MIN_SIDE = 31  # pixels; AlexNet's pooling layers reduce this to one
_BATCH = 16  # frames per forward pass


class Lpips:
    """Mean LPIPS over the frames of two clips; 0 is identical, smaller is more similar.

    Raises:
        ConfigError: the extra `lpips` is not installed.
        WeightsError: AlexNet's weights are missing or damaged.
    """

    def __init__(self, device: str = "cpu") -> None:
        self._network = _network(_lpips(), backbone_file()).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, result: Frames, truth: Frames) -> float:
        """Compare two clips, (frames, height, width, 3) uint8.

        Raises:
            InputError: the shapes differ, or a side is shorter than `MIN_SIDE`.
        """
        height, width = truth.shape[1:3]
        if result.shape != truth.shape:
            raise InputError(f"the result is {result.shape}, the truth is {truth.shape}")
        if min(height, width) < MIN_SIDE:
            raise InputError(f"frames are {width}x{height}; LPIPS needs {MIN_SIDE}x{MIN_SIDE}")
        distances = [
            self._network(
                self._images(result[start : start + _BATCH]),
                self._images(truth[start : start + _BATCH]),
            ).flatten()
            for start in range(0, len(truth), _BATCH)
        ]
        return float(torch.cat(distances).mean())

    def _images(self, frames: Frames) -> Tensor:
        """Return (frames, 3, height, width), -1..1."""
        images = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device)
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def backbone_file() -> Path:
    """Return the path of AlexNet's weights, in the models folder or in torchvision's cache.

    Raises:
        WeightsError: the file is in neither place.
    """
    own = store_folder("lpips") / BACKBONE_FILE
    cached = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    for path in (own, cached):
        if path.is_file():
            return path
    raise WeightsError(
        f"AlexNet's weights are missing: neither {own} nor {cached} exists; copy the file there or"
        " download it with"
        " `python -c 'import torchvision; torchvision.models.alexnet(weights=\"DEFAULT\")'`"
    )


def _network(library: Any, backbone: Path) -> nn.Module:
    """Build LPIPS from its package's heads and a file with AlexNet's weights."""
    check_digest(backbone, None)
    try:
        state = torch.load(backbone, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for files that are not pickles
        raise WeightsError(f"{backbone}: not a weights file ({error})") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls torchvision with deprecated arguments
        network: nn.Module = library.LPIPS(net="alex", pnet_rand=True, verbose=False)
    # torchvision's `features.3.bias` is called `slice2.3.bias` in LPIPS.
    alexnet: nn.Module = network.net  # type: ignore[assignment]
    own = {f"features.{key.partition('.')[2]}": key for key in alexnet.state_dict()}
    layers = {own.get(key, key): state[key] for key in state if key.startswith("features.")}
    load_strictly(alexnet, layers, str(backbone))
    return network.eval()


def _lpips() -> Any:
    try:
        import lpips
    except ImportError as error:
        raise ConfigError(
            f"LPIPS needs the extra `lpips` ({error}); install it with `make pose`"
            " or `pip install 'tcan[lpips]'`"
        ) from error
    return lpips
