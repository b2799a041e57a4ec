"""Two real processes over gloo, by the command lines of the Kubernetes jobs.

`make test ARGS="-m slow tests/tcan_core/training/test_torchrun.py"` runs the longer half.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tcan_core.config import save_config
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.config import PuppetData
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.torchrun import losses_of, one_node, several_nodes, started

STEPS, KILLED_AT, GLOBAL_BATCH = 20, 11, 4
TOLERANCE = 1e-5
CHANGES: dict[str, Any] = {
    "steps": STEPS,
    "learning_rate": 1e-4,
    "checkpoint_every_s": 0.0,
    "reference_dropout": 0.3,
    # Attention to a prompt of one token, as the tiny preset's, has no gradient but rounding, which
    # Adam's own epsilon of 1e-8 would blow up to whole steps in both runs, in other directions.
    "epsilon": 1e-6,
}


def train_alone(runs: TinyRuns, stage: str) -> TinyRuns:
    """Train in this process, with the whole global batch."""
    alone = TinyRuns(runs.root / "alone", runs.cache)
    shutil.copytree(runs.parts, alone.parts)
    alone.train(stage, batch_size=GLOBAL_BATCH, **CHANGES)
    return alone


def write_config(runs: TinyRuns, stage: str) -> Path:
    """Write the configuration of a run whose processes share the global batch."""
    path = runs.root / f"{stage}.yaml"
    save_config(runs.config(stage, batch_size=GLOBAL_BATCH // 2, **CHANGES), path)
    return path


def compare(stage: str, together: TinyRuns, alone: TinyRuns) -> None:
    """Check that losses and weights of all steps are the same to 1e-5."""
    losses = [losses_of(one.root / stage) for one in (together, alone)]
    assert losses[0].keys() == losses[1].keys() == set(range(1, STEPS + 1))
    assert list(losses[0].values()) == pytest.approx(list(losses[1].values()), abs=TOLERANCE)
    states = [load_checkpoint(one.root / stage / "checkpoint.pt") for one in (together, alone)]
    for kind in ("parameters", "average"):
        for name, expected in states[1][kind].items():
            actual = states[0][kind][name]
            torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE, msg=name)
    moved = [
        float((states[1]["parameters"][name] - states[1]["average"][name]).abs().max())
        for name in states[1]["parameters"]
    ]
    assert max(moved) > 10 * TOLERANCE  # the weights went further than they may differ


@pytest.mark.slow
def test_two_processes_equal_one(runs: TinyRuns, repository: Path) -> None:
    """Stage 2: the motion modules of the UNet and of the temporal ControlNet."""
    alone = train_alone(runs, "stage2")

    command, environment = one_node(repository, write_config(runs, "stage2"), "stage2")
    verbose = {
        **environment,
        "OMP_DISPLAY_ENV": "VERBOSE",
    }  # OpenMP prints its settings
    with started(repository, command, verbose, runs.root / "log") as run:
        assert run.end() == 0, (runs.root / "log").read_text()

    compare("stage2", runs, alone)
    # Idle threads of both processes sleep at once; torchrun's own computes nothing.
    assert (runs.root / "log").read_text().count("GOMP_SPINCOUNT = '400'") == 2


@pytest.mark.slow
@pytest.mark.timeout(600)  # several starts of torch in two processes each
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_two_killed_and_resumed_processes_equal_one(
    runs: TinyRuns, repository: Path, stage: str
) -> None:
    alone = train_alone(runs, stage)
    command, environment = one_node(repository, write_config(runs, stage), stage)

    with started(repository, command, environment, runs.root / "log") as run:
        run.until(KILLED_AT)
        run.kill()
    saved_step = load_checkpoint(runs.root / stage / "checkpoint.pt")["step"]
    assert KILLED_AT - 1 <= saved_step < STEPS
    with started(repository, command, environment, runs.root / "log") as run:
        assert run.end() == 0, (runs.root / "log").read_text()

    compare(stage, runs, alone)


@pytest.mark.slow
@pytest.mark.timeout(600)  # several starts of torch in two processes each
def test_two_processes_stop_at_a_loss_that_is_not_finite(runs: TinyRuns, repository: Path) -> None:
    data = PuppetData(characters=2, frames=2, size=32, cache=str(runs.root / "cache"))
    changes = CHANGES | {"data": data}
    runs.train("stage1", batch_size=GLOBAL_BATCH, **changes | {"steps": 2})
    [latents] = (runs.root / "cache").rglob("latents-*.npy")
    np.save(latents, np.full_like(np.load(latents), np.nan))
    save_config(runs.config("stage1", batch_size=2, **changes), runs.root / "stage1.yaml")

    command, environment = one_node(repository, runs.root / "stage1.yaml", "stage1")
    with started(repository, command, environment, runs.root / "log") as run:
        assert run.end() != 0

    assert "step 3: the loss of samples [0, 1, 2, 3] (clips: pup" in (runs.root / "log").read_text()
    assert load_checkpoint(runs.root / "stage1" / "checkpoint.pt")["step"] == 2


@pytest.mark.slow
@pytest.mark.timeout(600)  # several starts of torch in two processes each
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_two_machines_equal_one_process(runs: TinyRuns, repository: Path, stage: str) -> None:
    alone = train_alone(runs, stage)

    pods = several_nodes(repository, write_config(runs, stage), stage)
    with ExitStack() as stack:
        started_pods = [
            stack.enter_context(
                started(repository, command, environment, runs.root / f"log-{number}")
            )
            for number, (command, environment) in enumerate(pods)
        ]
        assert [pod.end() for pod in started_pods] == [0, 0], (runs.root / "log-0").read_text()

    compare(stage, runs, alone)


@pytest.mark.slow
@pytest.mark.timeout(600)  # several starts of torch in two processes each
def test_machines_with_different_checkpoints_are_rejected(runs: TinyRuns, repository: Path) -> None:
    """Only the first machine has the checkpoint that it wrote; nothing else brings it."""
    machines = [TinyRuns(runs.root / f"machine-{number}", runs.cache) for number in range(2)]
    for machine in machines:
        shutil.copytree(runs.parts, machine.parts)
    machines[0].train("stage1", batch_size=GLOBAL_BATCH, **CHANGES | {"steps": 2})
    config = runs.config(
        "stage1", batch_size=GLOBAL_BATCH // 2, output="stage1", export="parts", **CHANGES
    )
    save_config(config, runs.root / "stage1.yaml")

    pods = several_nodes(repository, runs.root / "stage1.yaml", "stage1")
    logs = [machine.root / "log" for machine in machines]  # each runs where its log lies
    with ExitStack() as stack:
        ended = [
            stack.enter_context(started(repository, command, environment, log))
            for log, (command, environment) in zip(logs, pods, strict=True)
        ]
        assert all(pod.end() != 0 for pod in ended)

    log = logs[0].read_text()
    assert "start at different steps (0: 2, 1: 0)" in log and "`run.remote`" in log
