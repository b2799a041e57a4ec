"""Arrays that official code computed, and the import of that code's files by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from cli.main import main
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings

DATA = Path(__file__).parent / "data"
# Of the largest value; correct code is a hundred times closer, and any wrong switch further.
TOLERANCE = 1e-3


def difference(result: Tensor, expected: Tensor) -> float:
    """Return the largest difference as a share of the largest value."""
    assert result.shape == expected.shape
    return float((result - expected).abs().max() / expected.abs().max())


def arrays(*names: str) -> dict[str, Tensor]:
    """Read arrays by name from files of `data`."""
    merged: dict[str, Tensor] = {}
    for name in names:
        merged |= load_file(DATA / name)
    return merged


@contextmanager
def imported(folder: Path, yaml: str, imports: Sequence[tuple[str, ...]]) -> Iterator[Preset]:
    """Write a preset, import files into its store by the command line, and load it.

    Args:
        yaml: the preset.
        imports: arguments of each call of `tcan models import`.
    """
    path = folder / "preset.yaml"
    path.write_text(yaml, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCAN_MODELS", str(folder / "models"))
        for arguments in imports:
            with pytest.raises(SystemExit) as ended:
                main(["models", "import", *arguments, "--preset", str(path)])
            assert not ended.value.code
        yield load_preset(str(path))


class Maps:
    """Pose maps of a video, (frames, height, width, 3) uint8."""

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> tuple[int, int]:
        return self._frames.shape[1], self._frames.shape[2]

    def frame(self, index: int) -> NDArray[np.uint8]:
        frame: NDArray[np.uint8] = self._frames[index]
        return frame


def with_sampling(pipeline: AnimatePipeline, **changes: Any) -> AnimatePipeline:
    """Return a pipeline of the same weights with other sampling defaults."""
    preset = pipeline.preset
    changed = replace(preset, sampling=replace(preset.sampling, **changes))
    return AnimatePipeline(pipeline.tcan, changed)


@torch.no_grad()
def halves(predict: Callable[[float], Tensor]) -> tuple[Tensor, Tensor]:
    """Return the unconditional and the conditional prediction, by the guidance scale."""
    return predict(0.0), predict(1.0)


def denoised(
    pipeline: AnimatePipeline, ref_latents: Tensor, maps: Maps, settings: AnimateSettings
) -> Tensor:
    """Return the latents after the settings' steps."""
    return pipeline.denoise(ref_latents, maps, settings, lambda _: None, None)
