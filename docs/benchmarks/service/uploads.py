"""Peak memory growth of the gateway during a big upload, refused and accepted."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests import samples  # noqa: E402

MB = 1024 * 1024
HEADERS = {"Content-Type": "multipart/form-data; boundary=b"}
# 675 KiB a frame, uncompressed: 500 MB last half a minute.
WIDTH, HEIGHT, FPS = 640, 360, 25


def refused(url: str, pid: int, megabytes: int) -> dict[str, Any]:
    """Send an upload that is not a video, which is refused after it has arrived."""
    chunk = bytes(range(256)) * 4096
    return grown(url, pid, lambda: form(chunk for _ in range(megabytes)), megabytes)


def accepted(url: str, pid: int, video: Path) -> dict[str, Any]:
    """Send an upload that becomes a job. Raises RuntimeError when it is refused."""
    growth = grown(url, pid, lambda: form(pieces(video)), round(video.stat().st_size / MB))
    if growth["answer"] != 202:
        raise RuntimeError(f"the video was refused: {growth['answer']}")
    return growth


def write_video(file: Path, megabytes: int) -> Path:
    """Write a QuickTime file of uncompressed noise of this size."""
    generator = np.random.default_rng(0)
    frame_bytes = WIDTH * HEIGHT * 3
    with av.open(str(file), "w", format="mov") as container:
        stream = container.add_stream("rawvideo", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        picture = generator.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        for _ in range(megabytes * MB // frame_bytes):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file


def grown(
    url: str, pid: int, content: Callable[[], Iterable[bytes]], megabytes: int
) -> dict[str, Any]:
    """Submit, and return the size, the status or error code, and the memory growth."""
    with peak_mb(pid) as seen:
        answer = httpx.post(f"{url}/animate", content=content(), headers=HEADERS, timeout=600)
    said = answer.json().get("code", answer.status_code)
    return {"megabytes": megabytes, "answer": said, "grown_mb": round(max(seen) - seen[0], 1)}


def form(driving: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a form with an image and a driving video."""
    yield part("image") + samples.png() + b"\r\n" + part("driving")
    yield from driving
    yield b"\r\n--b--\r\n"


def part(name: str) -> bytes:
    """Return the headers of a part."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()


def pieces(file: Path) -> Iterator[bytes]:
    """Yield a file in chunks of a MiB."""
    with open(file, "rb") as stream:
        while piece := stream.read(MB):
            yield piece


@contextmanager
def peak_mb(pid: int) -> Iterator[list[float]]:
    """Sample the resident memory of a process: at the start, then every 20 ms."""
    seen, stop = [memory_mb(pid)], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            seen.append(memory_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
