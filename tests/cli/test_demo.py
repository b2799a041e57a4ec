"""`tcan demo`: from nothing to a video and an image, with nothing left running."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream
from PIL import Image

from cli.demo import SIZE
from tcan_core.puppets.motion import FPS
from tests.cli.conftest import processes_of
from tests.worker.paint import count_frames

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def run_demo(out: Path, scratch: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo in its own process, with its temporary files in `scratch`."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--out", str(out), "--frames", "9"],
        env={"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_writes_only_a_video_and_a_contact_sheet(tmp_path: Path) -> None:
    scratch = Path(tempfile.mkdtemp(dir=tmp_path))
    out = tmp_path / "demo"
    ended = run_demo(out, scratch)
    assert ended.returncode == 0, ended.stderr
    for step in ("[1/4]", "[2/4]", "[3/4]", "[4/4]"):
        assert step in ended.stdout
    assert f"{out / 'result.mp4'}" in ended.stdout
    assert f"{out / 'contact_sheet.png'}" in ended.stdout
    assert count_frames(out / "result.mp4") == 9
    with av.open(str(out / "result.mp4")) as container:
        [video] = container.streams
        assert isinstance(video, VideoStream)
        assert (video.codec_context.name, video.pix_fmt) == ("h264", "yuv420p")
        assert video.average_rate == FPS
        assert (video.width, video.height) == (SIZE, SIZE)
    with Image.open(out / "contact_sheet.png") as sheet:
        assert sheet.width > sheet.height > 3 * 64
    # torch makes an empty folder for its compiler's cache as soon as it is imported.
    leftovers = [path.name for path in scratch.iterdir() if "torchinductor" not in path.name]
    assert leftovers == []
    assert processes_of(scratch) == {}
