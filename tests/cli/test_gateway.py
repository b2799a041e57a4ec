"""`tcan gateway` in a process of its own: how much memory an upload takes."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tcan_client import Client
from tcan_client.errors import ProblemError
from tests import samples
from tests.servers import GUARD_S, free_port, listens, running, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]

MIB = 1024 * 1024


class Gateway(NamedTuple):
    """A running gateway."""

    process: subprocess.Popen[bytes]
    url: str

    def peak_mib(self) -> float:
        """Return the peak resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert match is not None
        return int(match[1]) / 1024


@pytest.fixture
def gateway(redis_url: str, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that takes driving videos of up to 100 MiB."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", str(port)]
    environment = {
        "TCAN_DATA": str(tmp_path / "data"),
        "TCAN_REDIS_URL": redis_url,
        "TCAN_LIMITS__MAX_DRIVING_BYTES": str(100 * MIB),
    }
    with running(command, tmp_path / "gateway.log", environment) as process:
        wait_until(lambda: listens(port), "the gateway listens")
        yield Gateway(process, f"http://127.0.0.1:{port}")


def big_video(file: Path, mib: int) -> Path:
    """Write a real mp4 with this many MiB of padding after its frames."""
    samples.write_video(file)
    with open(file, "ab") as stream:
        stream.write(struct.pack(">I4s", mib * MIB, b"free"))
        stream.truncate(stream.tell() - 8 + mib * MIB)
    return file


def test_a_big_upload_takes_little_memory(gateway: Gateway, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(samples.png())
    with Client(gateway.url) as client:
        client.submit(image, big_video(tmp_path / "small.mp4", 1))
        before = gateway.peak_mib()
        client.submit(image, big_video(tmp_path / "big.mp4", 96))
    assert gateway.peak_mib() - before < 5


def test_upload_over_the_limit_is_rejected_with_a_reason(gateway: Gateway, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(samples.png())
    with Client(gateway.url) as client:
        with pytest.raises(ProblemError, match="over the service's limit of"):
            client.submit(image, big_video(tmp_path / "big.mp4", 300))
    assert httpx.get(f"{gateway.url}/healthz", timeout=GUARD_S).status_code == 200
