"""A cancel stops within a window, between the passes of its networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.distributed.process_group import SingleProcess
from tcan_core.errors import CanceledError
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.world import Scene

SETTINGS: dict[str, Any] = {"num_inference_steps": 1, "context_size": 4, "context_overlap": 2}
# In their order in a window.
PARTS = ("encoder", "ControlNet", "mid block", "last up block")


class PartRecorder:
    """A pipeline, and the parts of its networks that have run."""

    def __init__(self, pipeline: AnimatePipeline, scene: Scene) -> None:
        self._pipeline, self.ran = pipeline, list[str]()
        self._image: NDArray[np.uint8] = scene.source.draw(scene.source_pose)[0]
        self._poses: list[Pose] = scene.driving.poses(scene.motion)[:8]  # three windows
        unet: Any = pipeline.tcan.denoising_unet
        ends = (unet.down_blocks[-1], pipeline.tcan.controlnet, unet.mid_block, unet.up_blocks[-1])
        self.hooks = [self._watch(*pair) for pair in zip(PARTS, ends, strict=True)]

    def _watch(self, name: str, module: Any) -> Any:
        return module.register_forward_hook(lambda *_: self.ran.append(name))

    def frames(self, cancel_after: str = "") -> NDArray[np.uint8]:
        """Return the animation, canceled after one of the parts."""
        self.ran.clear()
        return self._pipeline(
            self._image, self._poses, is_canceled=lambda: cancel_after in self.ran, **SETTINGS
        )


@pytest.fixture
def recorder(pipeline: AnimatePipeline, scene: Scene) -> Iterator[PartRecorder]:
    recorder = PartRecorder(pipeline, scene)
    yield recorder
    for hook in recorder.hooks:
        hook.remove()


def test_cancel_stops_a_window_after_the_current_part(recorder: PartRecorder) -> None:
    undisturbed = recorder.frames()
    for number, part in enumerate(PARTS[:-1], 1):
        with pytest.raises(CanceledError, match="within a window"):
            recorder.frames(cancel_after=part)
        assert recorder.ran == list(PARTS[:number])
    assert np.array_equal(recorder.frames(), undisturbed)


class FakePair(SingleProcess):
    """A group of two whose other process predicts the same as this one."""

    world_size = 2

    def all_gather(self, tensor: Tensor | None, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
        assert tensor is not None
        return [tensor] * len(shapes)


def test_several_processes_stop_between_windows_only(
    recorder: PartRecorder, pipeline: AnimatePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a window, the others would wait forever for the prediction."""
    monkeypatch.setattr(pipeline, "group", FakePair())
    with pytest.raises(CanceledError, match="canceled at step 1 of 1, window 3"):
        recorder.frames(cancel_after="ControlNet")
    assert recorder.ran == list(PARTS)
