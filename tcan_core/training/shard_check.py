"""Sheet of prepared shards: what their latents show, with their poses over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from media.contact_sheet import contact_sheet
from media.image import write_png
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.training.shard_data import ShardClips
from tcan_core.training.sheets import as_pictures, with_lines

_SHEET_CLIPS = 8


def shard_sheet(clips: ShardClips, codec: ImageCodec, path: Path) -> None:
    """Write a row of some clips: a frame of each view, decoded, with its pose over it.

    Args:
        clips: opened with one target frame.
        codec: autoencoder that made the latents.
        path: of the PNG.
    """
    rng = np.random.default_rng(0)
    count = min(_SHEET_CLIPS, len(clips))
    chosen = [
        clips.clips[index] for index in np.linspace(0, len(clips) - 1, count).round().astype(int)
    ]
    rows = []
    for clip in chosen:
        frames = rng.integers(clip.frames, size=len(clip.views) + 1)
        batches = [clips.read(clip, 0, int(frame), view) for view, frame in enumerate(frames)]
        with torch.no_grad():
            decoded = [codec.decode(batch.latents[:, :, 0]) for batch in batches]
        drawn = [batch.drawn_poses[0, :, 0].permute(1, 2, 0).numpy() for batch in batches]
        pictures = as_pictures(torch.cat(decoded))
        rows.append([with_lines(*one) for one in zip(pictures, drawn, strict=True)])
    titles = ["whole"] + [f"view {number + 1}" for number in range(max(map(len, rows)) - 1)]
    labels = [clip.name[-24:] for clip in chosen]
    write_png(
        path,
        contact_sheet(
            rows, labels, titles=titles, cell_height=max(height for height, _ in clips.sizes)
        ),
    )
