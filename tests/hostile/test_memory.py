"""What files of the largest sizes that are shipped take of gateway, worker and their children."""

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
from tests.hostile.conftest import Service, started
from tests.hostile.test_hostile import ended
from tests.servers import GUARD_S, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

LIMITS = InputLimits()
# Beyond the decoder's own memory: what the libraries map, most of which is never touched.
LIBRARIES_MIB = 2048
# The pose file of 32 MiB as Python's objects; 32 frames of 4096x2160, which are looked at together.
GATEWAY_MIB, WORKER_MIB = 512, 2048
LOOK_S = 0.005


class Watch:
    """Looks at the children of some processes, whose lives are short, until it is left.

    Attributes:
        peaks_mib: the most memory that any child of each name was seen to have had.
        bounds_mib: address space that a confined one may have.
    """

    def __init__(self, service: Service) -> None:
        self._roots = {"gateway": service.gateway.pid, "worker": service.worker.pid}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.peaks_mib: dict[str, float] = {}
        self.bounds_mib: dict[str, float] = {}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(LOOK_S):
            for name, root in self._roots.items():
                for zygote in children(root):
                    for child in children(zygote):
                        self._look(name, Path(f"/proc/{child}"))

    def _look(self, name: str, process: Path) -> None:
        try:
            peak = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
            bound = re.search(r"Max address space +(\d+)", (process / "limits").read_text())
        except (FileNotFoundError, ProcessLookupError):
            return  # it has ended meanwhile
        if peak is not None and bound is not None:  # else it is not confined yet, or a zombie
            self.peaks_mib[name] = max(self.peaks_mib.get(name, 0), int(peak[1]) / 1024)
            self.bounds_mib[name] = max(self.bounds_mib.get(name, 0), int(bound[1]) / 2**20)


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass  # a thread that has ended meanwhile
    return found


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with the limits that are shipped."""
    with started(tmp_path, {"OMP_NUM_THREADS": "1"}) as found:
        found.wait_for_worker()
        yield found


def test_memory_stays_bounded_for_the_largest_files(service: Service, tmp_path: Path) -> None:
    """A picture of 40 megapixels, a pose file of 32 MiB, a video of 4096x2160."""
    video = samples.write_video(tmp_path / "large.mp4", frames=40, size=(4096, 2160)).read_bytes()
    attacks = {
        "picture": {"image": picture(), "driving": samples.poses()},
        "poses": {"image": samples.png(), "driving": poses()},
        "video": {"image": samples.png(), "driving": video},
    }
    before = service.peak_mib()
    with Watch(service) as watch:
        for name, files in attacks.items():
            answer = service.http.post("/animate", files=files, timeout=GUARD_S)
            assert answer.status_code in (202, 422), answer.text
            if answer.status_code == 202:
                where = answer.headers["location"]
                if name != "video":  # it fails by itself, once all of it was decoded
                    service.http.post(f"{where}/cancel")
                wait_until(partial(ended, service, where), "the job ends")
                assert service.http.delete(where).status_code == 204
            now = service.peak_mib()
            print(f"\n{name}: {answer.status_code}; MiB so far: {now}, children {watch.peaks_mib}")
    assert service.is_alive() and service.files() == []
    grown = {name: peak - before[name] for name, peak in service.peak_mib().items()}
    assert grown["gateway"] < GATEWAY_MIB and grown["worker"] < WORKER_MIB, grown
    most = LIMITS.decoder_memory_bytes / 2**20
    assert set(watch.peaks_mib) == {"gateway", "worker"}
    assert all(peak < most for peak in watch.peaks_mib.values()), watch.peaks_mib
    assert all(bound < most + LIBRARIES_MIB for bound in watch.bounds_mib.values())


def picture() -> bytes:
    """As many pixels as are taken, in few bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (8000, LIMITS.max_image_pixels // 8000), (9, 99, 199)).save(stream, "PNG")
    return stream.getvalue()


def poses() -> bytes:
    """As many bytes of people as are taken."""
    [frame] = samples.pose_frames(1, people=8)
    size = len(json.dumps(frame)) + 2
    count = min(LIMITS.max_frames, LIMITS.max_pose_bytes // size)
    text = json.dumps([frame] * count)
    return text.ljust(LIMITS.max_pose_bytes - 1).encode()
