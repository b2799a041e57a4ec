"""Errors that the parent gets for children that misbehave."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.children import Sandbox
from sandbox.errors import ChildStoppedError, Reason
from sandbox.limits import MIB, ChildLimits
from tests.servers import GUARD_S, wait_until

MODULE = "tests.sandbox.misbehave"
# Each child reaches one limit; the others are far away, however slow the machine is.
LIMITS = ChildLimits(memory_bytes=256 * MIB, cpu_s=60, wait_s=GUARD_S)
LITTLE_CPU = ChildLimits(memory_bytes=256 * MIB, cpu_s=1, wait_s=GUARD_S)
LITTLE_TIME = ChildLimits(wait_s=0.3)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox for the misbehaving functions."""
    shared = Sandbox(MODULE)
    yield shared
    shared.close()


def test_child_reads_its_file_but_no_secrets(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_S3_SECRET_KEY", "hidden")
    (tmp_path / "file").write_bytes(b"content")
    for file in (tmp_path / "file", b"content"):
        with sandbox.child(f"{MODULE}:report", [(file, {"a": [1]})], LIMITS) as child:
            report = child.json()
            assert child.next() is None
        assert (report["file"], report["argument"]) == ("content", {"a": [1]})
        assert "TCAN_S3_SECRET_KEY" not in report["names"]


def test_child_reads_the_files_of_one_request_in_order(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"second")
    calls: list[tuple[Path | bytes, int]] = [
        (b"first", 1),
        (tmp_path / "file", 2),
        (b"third", 3),
    ]
    with sandbox.child(f"{MODULE}:report", calls, LIMITS) as child:
        reports = [child.json() for _ in calls]
        assert child.next() is None
    answers = [(report["file"], report["argument"]) for report in reports]
    assert answers == [("first", 1), ("second", 2), ("third", 3)]


def test_child_answers_one_request_after_the_other(sandbox: Sandbox) -> None:
    limits = ChildLimits(memory_bytes=256 * MIB, cpu_s=60, wait_s=GUARD_S, output_bytes=3000)
    with closing(sandbox.start_child(f"{MODULE}:report", limits)) as child:
        reports = []
        for content in (b"first", b"x" * 1500, b"third"):
            child.request([(content, None)])
            reports.append(child.json())
            child.finish()
    assert [len(report["file"]) for report in reports] == [5, 1500, 5]
    assert len({report["process"] for report in reports}) == 1
    # Three standard ones, the channel and the file: nothing of earlier requests.
    assert all(len(report["open"]) == 5 for report in reports)
    wait_for_death(reports[0]["process"])


def test_answer_that_nobody_asked_for_is_an_error(sandbox: Sandbox) -> None:
    calls = [(b"", None)]
    with sandbox.child(f"{MODULE}:answer_twice", calls, LIMITS) as child:
        child.json()
        with pytest.raises(ChildStoppedError, match="too many answers"):
            child.finish()


def test_child_that_died_between_requests_is_an_error(sandbox: Sandbox) -> None:
    with sandbox.child(f"{MODULE}:report", [(b"", None)], LIMITS) as child:
        process = child.json()["process"]
        child.finish()
        os.kill(process, signal.SIGKILL)
        wait_for_death(process)
        child.request([(b"", None)])
        with pytest.raises(ChildStoppedError, match="SIGKILL"):
            child.json()


@pytest.mark.parametrize(
    ("target", "limits", "reason", "detail"),
    [
        ("hog", LIMITS, Reason.MEMORY, "needs more than 256 MiB of memory"),
        ("spin", LITTLE_CPU, Reason.CPU, "needs more than 1 s of processor time"),
        ("hang", LITTLE_TIME, Reason.TIME, "needs more than 0.3 s"),
        ("flood", LIMITS, Reason.OUTPUT, "sends more data than the file may contain"),
        ("crash", LIMITS, Reason.CRASH, "crashed (SIGSEGV)"),
        ("abort", LIMITS, Reason.CRASH, "crashed (SIGABRT)"),
        ("fail", LIMITS, Reason.CRASH, "crashed (LookupError)"),
        ("leave", LIMITS, Reason.CRASH, "crashed"),
        ("send_invalid_json", LIMITS, Reason.CRASH, "crashed (its message is not valid JSON)"),
    ],
)
def test_misbehaving_child_is_stopped(
    sandbox: Sandbox, target: str, limits: ChildLimits, reason: Reason, detail: str
) -> None:
    with (
        pytest.raises(ChildStoppedError) as stopped,
        sandbox.child(f"{MODULE}:{target}", [(b"", None)], limits) as child,
    ):
        while child.json() is not None:
            pass
    assert (stopped.value.reason, stopped.value.detail) == (reason, detail)


def test_child_can_compute_but_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sys.platform == "linux", "the filter of system calls is Linux's"
    victim = tmp_path / "victim"
    victim.write_text("still here")
    argument = {"path": str(victim), "parent": os.getpid()}
    with sandbox.child(f"{MODULE}:attack", [(b"", argument)], LIMITS) as child:
        refused = child.json()
    assert victim.read_text() == "still here"
    assert refused.pop("start a thread") is False
    assert all(refused.values()), refused


def test_leaving_the_block_stops_the_child(sandbox: Sandbox) -> None:
    with sandbox.child(f"{MODULE}:report_process", [(b"", None)], LIMITS) as child:
        process = child.json()
        assert alive(process)
    wait_for_death(process)


class EnoughError(Exception):
    """Raised by a check to stop waiting."""


def test_check_is_called_while_the_parent_waits(sandbox: Sandbox) -> None:
    assert len(calls_of_check(sandbox)) == 4


@pytest.mark.slow
def test_check_is_called_every_second_while_the_parent_waits(sandbox: Sandbox) -> None:
    called_s = calls_of_check(sandbox)
    assert max(after - before for before, after in pairwise(called_s)) < 1.0


def calls_of_check(sandbox: Sandbox) -> list[float]:
    """Wait for a child that says nothing until `check` raises; return when it was called."""
    called_s: list[float] = []

    def check() -> None:
        called_s.append(time.monotonic())
        if len(called_s) == 4:
            raise EnoughError

    with (
        pytest.raises(EnoughError),
        sandbox.child(f"{MODULE}:hang", [(b"", None)], LIMITS, check) as child,
    ):
        child.json()
    return called_s


def test_sandbox_can_be_started_early() -> None:
    early = Sandbox(MODULE)
    early.start()
    started = early._control
    early.start()
    with early.child(f"{MODULE}:report", [(b"it", None)], LIMITS) as child:
        assert child.json()["file"] == "it"
    assert early._control is started is not None
    early.close()


def test_killed_zygote_is_restarted(sandbox: Sandbox) -> None:
    with sandbox.child(f"{MODULE}:report_process", [(b"", None)], LIMITS) as child:
        process = child.json()
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(ChildStoppedError, match="crashed"):
            child.next()
    wait_for_death(process)
    with sandbox.child(f"{MODULE}:report", [(b"more", None)], LIMITS) as child:
        assert child.json()["file"] == "more"


def alive(process: int) -> bool:
    """Return whether a process is running and not a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_death(process: int) -> None:
    """Return when the process is gone."""
    wait_until(lambda: not alive(process), f"process {process} has ended")
