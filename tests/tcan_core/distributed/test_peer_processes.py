"""The start of peer processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tcan_core.distributed.peer_processes import PeerProcessGroup
from tcan_core.errors import PeerLostError
from tcan_core.startup import PASSIVE_WAITING

PROGRAM = """
import os, sys
from multiprocessing.connection import Connection
from pathlib import Path
Connection(int(sys.argv[1])).recv_bytes()
Path(__file__).with_suffix(".txt").write_text(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize(("policy", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_peer_starts_with_passive_waiting_unless_the_user_set_a_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str | None, expected: str
) -> None:
    (tmp_path / "peer_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    for name in PASSIVE_WAITING:
        monkeypatch.delenv(name, raising=False)
    if policy is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", policy)
    group = PeerProcessGroup("peer_program", ["cpu"], {}, on_loss=lambda: None)
    with pytest.raises(PeerLostError):
        group.join()
    group.close()
    assert (tmp_path / "peer_program.txt").read_text() == expected
