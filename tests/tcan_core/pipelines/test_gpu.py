"""A GPU makes the frames that a CPU makes, up to the rounding of its arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from tcan_core.models.runtime import RuntimeOptions
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.world import Scene
from tests.tcan_core.tiny_weights import TINY

Dtype = Literal["float32", "float16", "bfloat16"]
WINDOWS: dict[str, Any] = {"context_size": 4, "context_overlap": 2, "num_inference_steps": 4}


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("dtype", "levels"), [("float32", 0.3), ("float16", 0.5), ("bfloat16", 3.0)]
)
def test_a_gpu_makes_the_frames_of_a_cpu(
    pipeline: AnimatePipeline, scene: Scene, weights: Path, dtype: Dtype, levels: float
) -> None:
    """The mean difference is at most `levels` of 255, twice that of a CPU from itself or more.

    That is 0.18 in float16 and 1.42 in bfloat16; float32 means convolutions in TF32.
    """
    image, source_pose = scene.source.draw(scene.source_pose)[0], scene.source_pose
    poses = scene.driving.poses(scene.motion)
    options = RuntimeOptions(dtype=dtype)
    on_gpu = AnimatePipeline.from_preset(str(TINY), "cuda", folder=weights, options=options)

    expected = pipeline(image, poses, source_pose=source_pose, seed=3, **WINDOWS)
    frames = on_gpu(image, poses, source_pose=source_pose, seed=3, **WINDOWS)

    assert torch.cuda.max_memory_allocated() > 0
    assert frames.shape == expected.shape
    assert np.abs(frames.astype(int) - expected).mean() <= levels
