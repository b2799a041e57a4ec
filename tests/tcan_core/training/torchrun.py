"""The command lines of the Kubernetes jobs, run on this machine."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from tests.servers import GUARD_S, free_port

JOBS = Path("deploy") / "kubernetes" / "training"


def read_job(repository: Path, kind: str) -> dict[str, Any]:
    """Return the pod template of a job: "one-node" or "several-nodes"."""
    job: dict[str, Any] = yaml.safe_load((repository / JOBS / kind / "job.yaml").read_text())
    return job


def container(job: dict[str, Any], name: str) -> dict[str, Any]:
    """Return one container of the job's pods."""
    pod = job["spec"]["template"]["spec"]
    every = [*pod["initContainers"], *pod["containers"]]
    train_container: dict[str, Any] = next(one for one in every if one["name"] == name)
    return train_container


def command_line(
    pod_container: dict[str, Any], **replaced: str
) -> tuple[list[str], dict[str, str]]:
    """Return a container's command and environment as the kubelet makes them.

    Args:
        replaced: variables of the container's environment with the values of this machine.
    """
    environment: dict[str, str] = {}
    for variable in pod_container["env"]:
        value = replaced.get(variable["name"], variable.get("value"))
        assert value is not None, f"{variable['name']} comes from the cluster; give it"
        environment[variable["name"]] = _expanded(value, environment)
    assert set(replaced) <= set(environment), "a variable that the container does not have"
    return [_expanded(word, environment) for word in pod_container["command"]], environment


def _expanded(text: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda match: environment.get(match[1], match[0]), text)


class Run:
    """A pod's process: torchrun with its workers, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self._log = process, log

    def until(self, step: int) -> None:
        """Return when the step is reported."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(f"step {step} of "):
                return
        ended, log = self.process.wait(), self._log.read_text()[-3000:]
        raise AssertionError(f"the run ended with {ended} before step {step}: {log}")

    def after(self, reports: int) -> int:
        """Return the step that is reported as the given number, from 1, of this start."""
        assert self.process.stdout is not None
        lines = (re.match(r"step (\d+) of ", line) for line in self.process.stdout)
        *_, step = itertools.islice(filter(None, lines), reports)
        return int(step[1])

    def kill(self) -> None:
        """Kill everything at once, as a machine that is lost does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> int:
        """Wait for the end and return the exit status."""
        self.process.communicate(timeout=GUARD_S)
        return self.process.returncode


@contextmanager
def started(
    repository: Path, command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[Run]:
    """Run a container's command in a folder of its own."""
    folder = log.parent
    folder.mkdir(parents=True, exist_ok=True)
    programs = {"torchrun": Path(sys.executable).with_name("torchrun"), "python": sys.executable}
    words = [str(programs.get(command[0], command[0])), *command[1:]]
    own = {"PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    with log.open("a") as errors:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **own, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield Run(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def losses_of(output: Path) -> dict[int, float]:
    """Return the loss of each step that TensorBoard shows for a run."""
    scalars = event_accumulator.EventAccumulator(str(output / "scalars"))
    scalars.Reload()
    return {event.step: event.value for event in scalars.Scalars("loss")}


def one_node(repository: Path, config: Path, stage: str, processes: int = 2) -> Any:
    """Return the command and the environment of the job for one node."""
    return command_line(
        container(read_job(repository, "one-node"), "train"),
        STAGE=stage,
        STAGE_CONFIG=str(config),
        NPROC_PER_NODE=str(processes),
    )


def several_nodes(repository: Path, config: Path, stage: str) -> list[Any]:
    """Return the commands and the environments of both pods of the job for several nodes."""
    train_container = container(read_job(repository, "several-nodes"), "train")
    port = str(free_port())
    return [
        command_line(
            train_container,
            STAGE=stage,
            STAGE_CONFIG=str(config),
            NODE_RANK=str(node),
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
        )
        for node in range(2)
    ]
