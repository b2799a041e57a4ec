"""The nodes in a real ComfyUI, on a real service with `mini`; exits with 1 if something differs.

    python -m tests.integrations.comfyui CHECKOUT PYTHON

CHECKOUT is a checkout of ComfyUI, which stays as it is; PYTHON has ComfyUI's requirements and
pydantic, httpx and anyio. Everything that the run writes is in a temporary folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np

from media.video_reader import read_video
from tcan_client import Client, JobState
from tcan_core.puppets.pairs import render_pair
from tests.servers import GUARD_S, free_port, running, wait_until

ROOT = Path(__file__).parents[3]
NODES = ROOT / "integrations/comfyui"
HERE = Path(__file__).parent
SEED, FRAMES, SIDE = 1_000_000, 24, 64
START_S = 300.0

Graph = dict[str, Any]


class ComfyUI:
    """A running ComfyUI.

    Args:
        base: folder of its inputs, outputs and nodes.
    """

    def __init__(self, python: str, base: Path, url: str) -> None:
        self._python, self._base, self._url = python, base, url

    def run(self, graph: Graph, *, cancel: bool = False) -> dict[str, Any]:
        """Run a graph and return what `drive.py` reports."""
        file = self._base / "graph.json"
        file.write_text(json.dumps(graph))
        command = [self._python, str(HERE / "drive.py"), self._url, str(file)]
        done = subprocess.run(
            [*command, "--cancel"] if cancel else command,
            capture_output=True,
            text=True,
            timeout=GUARD_S,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def kept(self) -> dict[str, Any]:
        """Return what the node KeepFrames has written."""
        with np.load(self._base / "output/frames.npz") as file:
            return {name: file[name] for name in file.files}


def main(checkout: str, python: str) -> None:
    """Start both, and check the nodes."""
    with tempfile.TemporaryDirectory() as name, tcan_up(Path(name)) as url:
        base = Path(name, "comfyui")
        render_pair(base / "input", SEED, FRAMES, SIDE)
        with comfyui(checkout, python, base, url) as comfy, Client(url) as client:
            check_video(comfy, client, Path(name))
            check_poses(comfy)
            check_cancel(comfy, client)
            check_error(comfy)
    print("all as expected")


@contextmanager
def tcan_up(folder: Path) -> Iterator[str]:
    """Run the embedded service with its usual worker."""
    port, log = free_port(), folder / "up.log"
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port)]
    with running([*command, "--data", str(folder / "data")], log):
        wait_until(lambda: "Ready" in log.read_text(), "the service is ready", START_S)
        yield f"http://127.0.0.1:{port}"


@contextmanager
def comfyui(checkout: str, python: str, base: Path, service: str) -> Iterator[ComfyUI]:
    """Run ComfyUI without a graphics card, with the nodes of this repository."""
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes/tcan").symlink_to(NODES)
    shutil.copy(HERE / "keep_frames.py", base / "custom_nodes")
    port = free_port()
    command = [python, str(Path(checkout, "main.py")), "--cpu", "--port", str(port)]
    command += ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    environment = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(ROOT / "clients/python"),
        "TCAN_URL": service,
    }
    with running(command, base / "comfyui.log", environment):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/object_info/TcanAnimate"), "ComfyUI is ready", START_S)
        yield ComfyUI(python, base, url)


def answers(url: str) -> bool:
    """Return whether a URL is answered."""
    try:
        with urlopen(url, timeout=GUARD_S) as response:  # nosec B310
            return bool(json.load(response))
    except URLError:
        return False


def check_video(comfy: ComfyUI, client: Client, folder: Path) -> None:
    """Run the example graph and compare its frames with the service's result."""
    report = comfy.run(graph())
    assert report["end"] == "execution_success", report
    shown = report["progress"]["3"]
    assert shown == sorted(shown) and shown[-1] == 1.0, shown
    job = client.jobs(1)[0]
    client.download(job.id, folder / "own.mp4")
    kept = comfy.kept()
    own = np.stack([*read_video(folder / "own.mp4")])
    assert kept["frames"].dtype == np.float32
    assert np.array_equal(kept["frames"], own.astype(np.float32) / np.float32(255))
    assert Path(str(kept["path"])).read_bytes() == (folder / "own.mp4").read_bytes()
    print(f"driving video: {own.shape} frames at {kept['fps']} fps equal the service's")


def check_poses(comfy: ComfyUI) -> None:
    """Detect the poses by one node, and animate with them by the other."""
    chained = graph()
    chained["5"] = {
        "class_type": "TcanPoses",
        "inputs": {"driving_video": ["2", 0], "person": -1, "service_url": ""},
    }
    inputs = chained["3"]["inputs"]
    del inputs["driving_video"]
    inputs |= {"driving_poses": ["5", 0], "pose_fps": 8.0}
    report = comfy.run(chained)
    assert report["end"] == "execution_success", report
    kept = comfy.kept()
    assert (len(kept["frames"]), float(kept["fps"])) == (FRAMES, 8.0)
    print(f"driving poses: {FRAMES} frames at 8 fps")


def check_cancel(comfy: ComfyUI, client: Client) -> None:
    """Interrupt a graph; its job is canceled."""
    report = comfy.run(graph(steps=200, seed=8), cancel=True)
    assert report["end"] == "execution_interrupted", report
    assert client.wait(client.jobs(1)[0].id, timeout=GUARD_S).status is JobState.CANCELED
    print("cancel: the job is canceled")


def check_error(comfy: ComfyUI) -> None:
    """Run a graph that the service refuses; the node shows its words."""
    report = comfy.run(graph(more_params='{"ptm_tau": 99}'))
    assert report["end"] == "execution_error", report
    assert "ptm_tau" in report["error"], report
    print(f"refusal: {report['error'].strip()}")


def graph(**chosen: Any) -> Graph:
    """Return the example graph with the puppet's files, and a node that keeps the frames."""
    example: Graph = json.loads((NODES / "example_workflows/animate.json").read_text())
    example["1"]["inputs"]["image"] = "source.png"
    example["2"]["inputs"]["file"] = "driving.mp4"
    example["3"]["inputs"] |= chosen
    kept = {"frames": ["3", 0], "fps": ["3", 1], "path": ["3", 2]}
    example["4"] = {"class_type": "KeepFrames", "inputs": kept}
    return example


if __name__ == "__main__":
    main(*sys.argv[1:])
