"""Peak memory of gateway, worker and their child processes with files of the largest sizes."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from service.input_limits import InputLimits
from tests import samples
from tests.hostile.conftest import Service, running_service
from tests.hostile.test_hostile import ended_job
from tests.servers import GUARD_S, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

LIMITS = InputLimits()
# Address space that libraries map beyond the decoder's own memory; most of it is never touched.
LIBRARIES_MIB = 2048
# A pose file of 32 MiB as Python objects; a batch of 32 frames of 4096x2160.
GATEWAY_MIB, WORKER_MIB = 512, 2048
POLL_S = 0.005


class ChildMonitor:
    """A thread that polls the short-lived child processes of gateway and worker.

    Attributes:
        peaks_mib: highest memory of any child, by process name.
        bounds_mib: limit on the address space of a confined child, by process name.
    """

    def __init__(self, service: Service) -> None:
        self._roots = {"gateway": service.gateway.pid, "worker": service.worker.pid}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.peaks_mib: dict[str, float] = {}
        self.bounds_mib: dict[str, float] = {}

    def __enter__(self) -> ChildMonitor:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(POLL_S):
            for name, root in self._roots.items():
                for zygote in children(root):
                    for child in children(zygote):
                        self._read(name, Path(f"/proc/{child}"))

    def _read(self, name: str, process: Path) -> None:
        try:
            peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
            bound = re.search(r"Max address space +(\d+)", (process / "limits").read_text())
        except (FileNotFoundError, ProcessLookupError):
            return  # it has exited
        if peak is not None and bound is not None:  # otherwise it is a zombie or not confined yet
            self.peaks_mib[name] = max(self.peaks_mib.get(name, 0), int(peak[1]) / 1024)
            self.bounds_mib[name] = max(self.bounds_mib.get(name, 0), int(bound[1]) / 2**20)


def children(process: int) -> list[int]:
    """Return the child processes of a process."""
    pids = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            pids += [int(word) for word in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has exited
    return pids


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Start a service with the default limits."""
    with running_service(tmp_path, {"OMP_NUM_THREADS": "1"}) as service:
        service.wait_for_worker()
        yield service


def test_memory_stays_bounded_for_the_largest_files(service: Service, tmp_path: Path) -> None:
    """Send an image of 40 megapixels, a pose file of 32 MiB, a video of 4096x2160."""
    video = samples.write_video(tmp_path / "large.mp4", frames=40, size=(4096, 2160)).read_bytes()
    attacks = {
        "picture": {"image": picture(), "driving": samples.poses()},
        "poses": {"image": samples.png(), "driving": poses()},
        "video": {"image": samples.png(), "driving": video},
    }
    before = service.peak_mib()
    with ChildMonitor(service) as monitor:
        for name, files in attacks.items():
            answer = service.http.post("/animate", files=files, timeout=GUARD_S)
            assert answer.status_code in (202, 422), answer.text
            if answer.status_code == 202:
                job_url = answer.headers["location"]
                if name != "video":  # it fails by itself after all frames are decoded
                    service.http.post(f"{job_url}/cancel")
                wait_until(partial(ended_job, service, job_url), "the job ends")
                assert service.http.delete(job_url).status_code == 204
            now = service.peak_mib()
            print(
                f"\n{name}: {answer.status_code}; MiB so far: {now}, children {monitor.peaks_mib}"
            )
    assert service.is_alive() and service.files() == []
    growth = {name: peak - before[name] for name, peak in service.peak_mib().items()}
    assert growth["gateway"] < GATEWAY_MIB and growth["worker"] < WORKER_MIB, growth
    limit_mib = LIMITS.decoder_memory_bytes / 2**20
    assert set(monitor.peaks_mib) == {"gateway", "worker"}
    assert all(peak < limit_mib for peak in monitor.peaks_mib.values()), monitor.peaks_mib
    assert all(bound < limit_mib + LIBRARIES_MIB for bound in monitor.bounds_mib.values())


def picture() -> bytes:
    """Make an image of the largest accepted number of pixels, in few bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (8000, LIMITS.max_image_pixels // 8000), (9, 99, 199)).save(stream, "PNG")
    return stream.getvalue()


def poses() -> bytes:
    """Make a pose file of the largest accepted size."""
    [frame] = samples.pose_frames(1, people=8)
    size = len(json.dumps(frame)) + 2
    count = min(LIMITS.max_frames, LIMITS.max_pose_bytes // size)
    text = json.dumps([frame] * count)
    return text.ljust(LIMITS.max_pose_bytes - 1).encode()
