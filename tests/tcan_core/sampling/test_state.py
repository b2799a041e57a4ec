"""A resumed run gives the same result as an uninterrupted one, with every scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tcan_core.errors import CanceledError, CheckpointError, ParameterError
from tcan_core.progress import AnimateProgress
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoising_loop import DenoisingLoop
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import SOLVER_ORDERS, build_scheduler
from tcan_core.sampling.state import FORMAT, DenoiseState

STEPS, FRAMES = 6, 20


# One of each kind: single step, several steps, ancestral noise, second order. The rest is `slow`.
KINDS = {
    "ddim",
    "dpm++2m",
    "DDPMScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
}


def available_schedulers() -> list[str]:
    """Return every scheduler that `build_scheduler` can build."""
    names = [name for name in dir(diffusers) if name.endswith("Scheduler")]
    available = []
    for name in [*SOLVER_ORDERS, *names]:
        try:
            build_scheduler(name, STEPS)
        except ParameterError:
            continue
        available.append(name)
    return available


def network(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
    """Predict (n, c, f, h, w) by a nonlinear function in which frames depend on their window."""
    mean = latents.mean(dim=2, keepdim=True)
    return torch.tanh(latents - 0.3 * mean) * (0.5 + timestep.float() / 2000)


class Run:
    """Runs with one scheduler; each step's state is saved to a file."""

    def __init__(
        self, name: str, folder: Path, frames: int = FRAMES, state_interval: int = 1
    ) -> None:
        self.name, self.folder, self.frames = name, folder, frames
        self.state_interval = state_interval
        self.scheduler = build_scheduler(name, STEPS)
        self.steps_done: list[int] = []

    def __call__(self, resume: DenoiseState | None = None, stop_after: int = 10**6) -> Tensor:
        self.scheduler = build_scheduler(self.name, STEPS)
        self.steps_done = []
        loop = DenoisingLoop(
            network,
            self.scheduler,
            context_windows(self.frames),
            "epsilon",
            seed=5,
            state_interval=self.state_interval,
        )
        return loop.run(
            initial_noise(self.frames, (4, 4, 4), seed=0),
            self._keep,
            lambda: len(self.steps_done) >= stop_after,
            resume,
        )

    def state(self, step: int) -> DenoiseState:
        return DenoiseState.load(self.folder / f"{step}.safetensors")

    def _keep(self, now: AnimateProgress) -> None:
        offered = now.step % self.state_interval == 0 or now.step == now.steps
        assert (now.state is not None) == (offered and now.window == now.windows)
        if now.state is not None:
            self.steps_done.append(now.step)
            now.state().save(self.folder / f"{now.step}.safetensors")


# DEIS of diffusers 0.42 gives tensors to numpy's log, as `build_scheduler` says of others.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in KINDS else pytest.mark.slow)
        for name in available_schedulers()
    ],
)
def test_every_scheduler_resumes_to_the_same_latents(name: str, tmp_path: Path) -> None:
    run = Run(name, tmp_path)
    with pytest.raises(CanceledError):
        run(stop_after=2)
    broken_off = run.state(2)
    undisturbed = run()
    steps = run.steps_done
    assert torch.equal(run(resume=broken_off), undisturbed)
    for step in steps:
        assert torch.equal(run(resume=run.state(step)), undisturbed)
        assert run.steps_done == steps[step:]


def test_ancestral_and_multistep_schedulers_are_covered() -> None:
    assert KINDS <= set(available_schedulers())


def test_state_is_not_changed_by_later_steps(tmp_path: Path) -> None:
    states: list[DenoiseState] = []
    run = Run("dpm++2m", tmp_path)

    def collect(now: AnimateProgress) -> None:
        state = now.state and now.state()
        if isinstance(state, DenoiseState):
            states.append(state)

    loop = DenoisingLoop(network, run.scheduler, context_windows(FRAMES), "epsilon", seed=5)
    loop.run(initial_noise(FRAMES, (4, 4, 4), seed=0), collect)
    undisturbed = run()
    assert [state.step for state in states] == list(range(1, STEPS + 1))
    for state in states:
        assert torch.equal(run(resume=state), undisturbed)


def test_state_can_be_resumed_more_than_once(tmp_path: Path) -> None:
    run = Run("EulerAncestralDiscreteScheduler", tmp_path)
    undisturbed = run()
    state = run.state(2)
    assert torch.equal(run(resume=state), run(resume=state))
    assert torch.equal(run(resume=state), undisturbed)


def test_file_is_safetensors_with_json(tmp_path: Path) -> None:
    run = Run("EulerAncestralDiscreteScheduler", tmp_path)
    run()
    with safe_open(tmp_path / "3.safetensors", framework="pt") as file:
        names, metadata = set(file.keys()), file.metadata()
    assert {"latents", "random"} <= names
    header = json.loads(metadata["state"])
    assert (header["step"], header["steps"]) == (3, STEPS)
    assert header["scheduler_class"] == "EulerAncestralDiscreteScheduler"


def test_state_of_another_run_is_rejected(tmp_path: Path) -> None:
    Run("ddim", tmp_path)()
    state = DenoiseState.load(tmp_path / "2.safetensors")
    for other in (Run("ddim", tmp_path, frames=8), Run("EulerDiscreteScheduler", tmp_path)):
        with pytest.raises(CheckpointError, match="the checkpoint is of DPMSolver"):
            other(resume=state)


@pytest.mark.parametrize("step", [1, 2, 3, STEPS])
def test_state_between_intervals_is_rejected(step: int, tmp_path: Path) -> None:
    """A network that caches features for two steps cannot resume between them."""
    undisturbed = Run("ddim", tmp_path)()
    state = Run("ddim", tmp_path).state(step)
    run = Run("ddim", tmp_path, state_interval=2)
    if step % 2 and step != STEPS:
        with pytest.raises(CheckpointError, match=f"of step {step}; .* after every 2 steps"):
            run(resume=state)
    else:
        assert torch.equal(run(resume=state), undisturbed)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "foreign"])
def test_damaged_file_is_rejected(damage: str, tmp_path: Path) -> None:
    Run("ddim", tmp_path)()
    file = tmp_path / "2.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "foreign":
        save_file({"latents": torch.zeros(1)}, file, metadata={"format": "pt"})
    else:
        file.write_bytes(file.read_bytes()[: 0 if damage == "empty" else 1000])
    with pytest.raises(CheckpointError, match=r"2\.safetensors"):
        DenoiseState.load(file)
    assert FORMAT.startswith("tcan.")


SAVE_BESIDE = """
import os, sys, threading
from pathlib import Path
import torch
from tcan_core.sampling.state import DenoiseState

big = torch.ones(1, 16, 400, 64, 64)
big + big  # the thread that renders has its team
state = DenoiseState(1, 2, big.transpose(1, 2), "DDIMScheduler", {"memory": [big]}, None)
before = len(os.listdir("/proc/self/task"))
seen = []

def save():
    state.save(Path(sys.argv[1]))
    seen.append(len(os.listdir("/proc/self/task")))

thread = threading.Thread(target=save)
thread.start()
thread.join()
print(seen[0] - before)
"""


@pytest.mark.long
def test_saving_in_a_thread_starts_no_openmp_threads(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVE_BESIDE, str(tmp_path / "state")]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, check=True, text=True, env=environment)
    assert int(done.stdout) == 1  # the thread that saves; see decision 0018


def test_state_that_cannot_be_saved_is_rejected(tmp_path: Path) -> None:
    run = Run("ddim", tmp_path)
    run()

    def remember(now: AnimateProgress) -> None:
        vars(scheduler)["a_stream"] = object()
        if now.state is not None:
            now.state()

    scheduler = build_scheduler("ddim", STEPS)
    loop = DenoisingLoop(network, scheduler, context_windows(4), "epsilon")
    with pytest.raises(CheckpointError, match="a_stream is of type object"):
        loop.run(initial_noise(4, (4, 4, 4), seed=0), remember)
