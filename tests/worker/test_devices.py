"""One worker on several devices: the shipped model in two processes compared with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from service.contract.job import Output
from service.input_limits import InputLimits
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tcan_core.sampling.state import DenoiseState
from tests.worker.test_animator import Attempt, SmallDevice
from worker.animator import TcanAnimator
from worker.failures import AnimationCanceledError, AnimationError, AnimationOutOfMemoryError

FRAMES = 44  # four windows: two rounds of two

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, seed=FIRST_TEST_SEED + 700, num_frames=FRAMES, size=64)
    return folder


@pytest.fixture(scope="module")
def one(one_thread_each: None) -> TcanAnimator:
    """A worker's animator on one device."""
    animator = TcanAnimator("mini", "cpu", InputLimits())
    animator.load()
    return animator


@pytest.fixture(scope="module")
def two(one_thread_each: None) -> Iterator[TcanAnimator]:
    """The same on two."""
    animator = TcanAnimator("mini", "cpu", InputLimits(), more_devices=("cpu",))
    animator.load()
    yield animator
    animator.close()


def attempt(animator: TcanAnimator, pair: Path, folder: Path) -> Attempt:
    """Prepare a job."""
    folder.mkdir()
    made = Attempt(animator, pair, folder)
    made.prepare(pair / "driving_pose.json")
    return made


def test_two_devices_give_the_bytes_of_one_and_resume_each_others_jobs(
    one: TcanAnimator, two: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    jobs = [attempt(animator, pair, tmp_path / name) for name, animator in (("1", one), ("2", two))]
    done = [job.render() for job in jobs]
    whole = done[0].outputs[Output.RESULT].read_bytes()
    for job in jobs:
        job.states[0].save(job.folder / "state")

    assert done[1].outputs[Output.RESULT].read_bytes() == whole
    mine, theirs = (DenoiseState.load(job.folder / "state") for job in jobs)
    assert torch.equal(mine.latents, theirs.latents)
    assert two.describe() == one.describe()
    assert [each.report["devices"] for each in done] == [["cpu"], ["cpu", "cpu"]]

    for job, other in zip(jobs, reversed(jobs), strict=True):
        job.steps.clear()
        rest = job.render(resume=other.folder / "state").outputs[Output.RESULT].read_bytes()
        assert {step.step for step in job.steps if step.stage == "denoise"} == {2}
        assert rest == whole


def test_cancel_stops_both_processes_and_they_run_the_next_job(
    one: TcanAnimator, two: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    job = attempt(two, pair, tmp_path / "two")
    job.stop_at = "denoise"
    with pytest.raises(AnimationCanceledError):
        job.render()
    job.stop_at = None

    expected = attempt(one, pair, tmp_path / "one").render().outputs[Output.RESULT]
    assert job.render().outputs[Output.RESULT].read_bytes() == expected.read_bytes()


def test_failure_before_the_first_step_leaves_the_peer_usable(
    two: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    job = attempt(two, pair, tmp_path / "two")
    job.folder, kept = tmp_path / "absent", job.folder
    job.steps.clear()
    with pytest.raises(AnimationError, match=r"result\.mp4: the video cannot be written"):
        job.render()
    assert job.steps == []
    job.folder = kept
    assert job.render().report["frames"] == FRAMES


def test_out_of_memory_is_raised_and_low_memory_helps_on_both(
    two: TcanAnimator, pair: Path, tmp_path: Path
) -> None:
    job = attempt(two, pair, tmp_path / "two")
    with SmallDevice(two) as device:
        with pytest.raises(AnimationOutOfMemoryError):
            job.render()
        assert job.render(low_memory=True).report["frames"] == FRAMES
        assert device.decoded == FRAMES * [1]
