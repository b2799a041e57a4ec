"""Train the classifier that tells puppets from photographs, paintings, drawings and empty images.

    python -m tcan_core.training.subject_head PICTURES... --out FILE.safetensors
        [--start FILE.safetensors]

PICTURES are folders of pictures without puppets; a third of the files is never used, see
`read_pictures`. The pose detector's features are fixed, so this is a regression of minutes. With
`--start` it continues from a classifier and stays near it, to add pictures to those it has seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from tcan_core.conditioning.puppet_detector import to_square
from tcan_core.models.networks.pose_detector import (
    PoseHeatmapNet,
    Subject,
    SubjectHead,
    build_pose_detector,
    build_subject_head,
)
from tcan_core.models.weights.loading import load_strictly
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.checkpoint import export_part
from tcan_core.training.puppet_data import to_images
from tcan_core.training.subject_pictures import (
    Picture,
    degrade,
    draw_nothing,
    draw_puppet,
    read_pictures,
    vary,
    vary_puppet,
)

FIRST_SEED, PUPPETS, EMPTY, VARIANTS = 300_000, 4000, 2000, 3
SIZES = (64, 64, 96, 128)
STEPS, DECAY = 300, 5.0
HOLD = 0.003  # penalty on the squared distance from the weights that training starts from
_BATCH = 64


def main() -> None:
    """Train from the command line's folders of pictures."""
    parser = argparse.ArgumentParser(description="Train the classifier of puppets.")
    parser.add_argument("pictures", nargs="+", type=Path, help="folders of other pictures")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--start", type=Path, help="safetensors file to continue from")
    words = parser.parse_args()
    preset = load_preset("mini")
    network = build_pose_detector(preset).eval()
    load_strictly(network, read_part(preset, "pose_detector"), "pose_detector")
    pictures, subjects = training_set(words.pictures, preset.resolution)
    print(f"{np.bincount(subjects)} puppets, empty pictures and others", flush=True)
    start = load_file(words.start) if words.start else None
    head = fit(compute_features(network, pictures), torch.from_numpy(subjects), start)
    export_part(words.out, head.state_dict())


def training_set(folders: list[Path], side: int) -> tuple[list[Picture], NDArray[np.int64]]:
    """Return pictures (side, side, 3) and what each shows, (pictures,), as `Subject`."""
    rng = np.random.default_rng(0)
    puppets = [
        vary_puppet(draw_puppet(FIRST_SEED + index, SIZES[index // 2 % len(SIZES)]), rng)
        for index in range(PUPPETS)
    ]
    empty = [degrade(draw_nothing(rng, side), rng) for _ in range(EMPTY)]
    others = [
        vary(picture, rng)
        for _, picture in read_pictures(folders, held_out=False)
        for _ in range(VARIANTS)
    ]
    pictures = [to_square(picture, side) for picture in (*puppets, *empty, *others)]
    return pictures, np.repeat(list(Subject), [len(puppets), len(empty), len(others)])


@torch.inference_mode()
def compute_features(network: PoseHeatmapNet, pictures: list[Picture]) -> Tensor:
    """Return (pictures, features) of pictures of the network's size."""
    batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    return torch.cat([network.forward_with_features(to_images(np.stack(b)))[1] for b in batches])


def fit(
    features: Tensor, subjects: Tensor, start: Mapping[str, Tensor] | None = None
) -> SubjectHead:
    """Fit a classifier to features (pictures, features) and subjects (pictures,).

    Args:
        start: weights of a classifier near which to stay; None starts from random ones.
    """
    torch.manual_seed(0)
    mean, spread = features.mean(dim=0), features.std(dim=0) + 1e-3
    head = build_subject_head(load_preset("mini"))
    linear = head.linear
    if start is not None:
        head.load_state_dict(start)
        with torch.no_grad():  # for standard features
            linear.bias.add_(linear.weight @ mean)
            linear.weight.mul_(spread)
    hold, first = (0.0 if start is None else HOLD), linear.weight.detach().clone()
    balance = len(subjects) / torch.bincount(subjects) / len(Subject)
    decay = DECAY if start is None else 0.0
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    standard = (features - mean) / spread
    for _ in range(STEPS):
        loss = F.cross_entropy(head(standard), subjects, weight=balance)
        loss = loss + hold * (linear.weight - first).square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    print(f"loss {loss.item():.4f}")
    with torch.no_grad():  # for features as they are
        linear.weight.div_(spread)
        linear.bias.sub_(linear.weight @ mean)
    return head


if __name__ == "__main__":
    main()
