"""A worker with `mini` ends a job about something else before it detects anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.contract.errors import ErrorCode
from service.contract.params import JobParams
from service.input_limits import InputLimits
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.pairs import render_pair
from tests import samples
from worker.animator import TcanAnimator
from worker.failures import AnimationError


@pytest.fixture(scope="module")
def mini() -> Iterator[TcanAnimator]:
    """Return a worker's model that only prepares jobs."""
    animator = TcanAnimator("mini", "cpu", InputLimits(), renders=False)
    animator.load()
    yield animator
    animator.close()


def test_job_without_a_puppet_ends_before_detection(mini: TcanAnimator, tmp_path: Path) -> None:
    render_pair(tmp_path, 1_000_000, 4, 64)
    noise, prepared = tmp_path / "noise.png", tmp_path / "prepared.zip"
    noise.write_bytes(samples.png())
    seen: list[AnimateProgress] = []

    def prepare(image: Path, params: JobParams) -> list[str]:
        driving = tmp_path / "driving.mp4"
        return mini.prepare(image, driving, prepared, params, seen.append, lambda: False)

    params = JobParams(retarget=False)
    with pytest.raises(AnimationError, match="noise.png shows no puppet; .*any_subject") as failed:
        prepare(noise, params)
    assert failed.value.code is ErrorCode.NOT_A_PUPPET
    assert {one.step for one in seen} == {0} and not prepared.exists()
    prepare(noise, params.model_copy(update={"any_subject": True}))
    assert prepared.exists()
    prepare(tmp_path / "source.png", params)
