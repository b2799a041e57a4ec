"""Children that behave badly, and what their parent sees of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.children import Sandbox
from sandbox.errors import ChildStoppedError, Reason
from sandbox.limits import MIB, ChildLimits

MODULE = "tests.sandbox.misbehave"
LIMITS = ChildLimits(memory_bytes=256 * MIB, cpu_s=1, wait_s=10.0)
IMPATIENT = ChildLimits(wait_s=0.3)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox for the bad functions."""
    shared = Sandbox(MODULE)
    yield shared
    shared.close()


def test_a_child_sees_its_file_and_none_of_the_secrets(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_S3_SECRET_KEY", "hidden")
    (tmp_path / "file").write_bytes(b"content")
    for file in (tmp_path / "file", b"content"):
        with sandbox.child(f"{MODULE}:tell", file, {"a": [1]}, LIMITS) as child:
            told = child.json()
            assert child.next() is None
        assert (told["file"], told["argument"]) == ("content", {"a": [1]})
        assert "TCAN_S3_SECRET_KEY" not in told["names"]


@pytest.mark.parametrize(
    ("target", "limits", "reason", "says"),
    [
        ("hog", LIMITS, Reason.MEMORY, "needs more than 256 MiB of memory"),
        ("spin", LIMITS, Reason.CPU, "needs more than 1 s of processor time"),
        ("hang", IMPATIENT, Reason.TIME, "needs more than 0.3 s"),
        ("flood", LIMITS, Reason.OUTPUT, "gives more than the file may hold"),
        ("crash", LIMITS, Reason.CRASH, "crashed (SIGSEGV)"),
        ("abort", LIMITS, Reason.CRASH, "crashed (SIGABRT)"),
        ("fail", LIMITS, Reason.CRASH, "crashed (LookupError)"),
        ("leave", LIMITS, Reason.CRASH, "crashed"),
        ("babble", LIMITS, Reason.CRASH, "crashed (what it says is no JSON)"),
    ],
)
def test_a_child_that_misbehaves_is_ended(
    sandbox: Sandbox, target: str, limits: ChildLimits, reason: Reason, says: str
) -> None:
    with (
        pytest.raises(ChildStoppedError) as stopped,
        sandbox.child(f"{MODULE}:{target}", b"", None, limits) as child,
    ):
        while child.json() is not None:
            pass
    assert (stopped.value.reason, stopped.value.detail) == (reason, says)


def test_a_child_may_compute_and_nothing_else(sandbox: Sandbox, tmp_path: Path) -> None:
    assert sys.platform == "linux", "the filter of system calls is Linux's"
    victim = tmp_path / "victim"
    victim.write_text("still here")
    argument = {"path": str(victim), "parent": os.getpid()}
    with sandbox.child(f"{MODULE}:refused", b"", argument, LIMITS) as child:
        refused = child.json()
    assert victim.read_text() == "still here"
    assert refused.pop("start a thread") is False
    assert all(refused.values()), refused


def test_a_parent_that_has_seen_enough_ends_its_child(sandbox: Sandbox) -> None:
    with sandbox.child(f"{MODULE}:write_on", b"", None, LIMITS) as child:
        process = child.json()
        assert alive(process)
    wait_for_death(process)


class EnoughError(Exception):
    """Somebody wishes no more of it."""


def test_a_parent_that_waits_is_asked_again_and_again(sandbox: Sandbox) -> None:
    asked: list[float] = []

    def check() -> None:
        asked.append(time.monotonic())
        if len(asked) == 4:
            raise EnoughError

    with (
        pytest.raises(EnoughError),
        sandbox.child(f"{MODULE}:hang", b"", None, LIMITS, check) as child,
    ):
        child.json()
    assert max(after - before for before, after in pairwise(asked)) < 1.0


def test_a_sandbox_may_be_started_before_it_is_needed() -> None:
    early = Sandbox(MODULE)
    early.start()
    started = early._control
    early.start()
    with early.child(f"{MODULE}:tell", b"it", None, LIMITS) as child:
        assert child.json()["file"] == "it"
    assert early._control is started is not None
    early.close()


def test_a_zygote_that_was_killed_is_started_again(sandbox: Sandbox) -> None:
    with sandbox.child(f"{MODULE}:write_on", b"", None, LIMITS) as child:
        process = child.json()
        parent = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(ChildStoppedError, match="crashed"):
            child.next()
    wait_for_death(process)
    with sandbox.child(f"{MODULE}:tell", b"more", None, LIMITS) as child:
        assert child.json()["file"] == "more"


def alive(process: int) -> bool:
    """Whether a process of this machine lives and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_death(process: int) -> None:
    """Return when the process is gone; fails after ten seconds."""
    end_s = time.monotonic() + 10
    while alive(process):
        assert time.monotonic() < end_s, f"{process} lives on"
        time.sleep(0.01)
