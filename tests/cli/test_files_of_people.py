"""The service and `tcan animate` make the same result of the files that people have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import av
import pytest

from tests.cli.conftest import Tcan
from tests.hostile.conftest import Service, running_service
from tests.media.people_images import CASES
from tests.servers import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.long]


class Row(NamedTuple):
    """Inputs, the number of frames and the rate of the result, and a part of each warning."""

    image: str
    driving: str
    out: str
    frames: int
    fps: float
    warnings: tuple[str, ...] = ()


ROWS = (
    Row("mpo.jpg", "base.avif", "mp4", 24, 12),
    Row("icc_adobe.png", "base.webp", "mp4", 24, 12),
    Row("icc_big.png", "cover_big.mp4", "webm", 24, 12, ("texts and colour profile were ignored",)),
    Row("mpo.jpg", "apac_first.mov", "mp4", 24, 12),
    Row("float01.tiff", "f60.mp4", "gif", 3, 30, ("grey levels", "at most 50 frames per second")),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with the shipped model."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("people")
        service = stack.enter_context(running_service(folder, {"OMP_NUM_THREADS": "1"}))
        service.wait_for_worker()
        yield service


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.image}-{row.driving}")
def test_service_and_command_line_make_the_same_of_it(
    service: Service, tcan: Tcan, tmp_path: Path, row: Row
) -> None:
    from_service, manifest = _by_service(service, tmp_path, row)
    from_command_line = _by_command_line(tcan, tmp_path, row)

    assert from_service == from_command_line
    assert len(from_service) == row.frames
    assert (manifest["report"]["frames"], manifest["report"]["fps"]) == (row.frames, row.fps)
    assert manifest["report"]["stored_size"] == [128, 128]


def _by_service(service: Service, folder: Path, row: Row) -> tuple[list[bytes], dict[str, Any]]:
    """Return the frames of the result, and the manifest; check the warnings."""
    params = {"seed": 7, "num_inference_steps": 2, "format": row.out, "retarget": False}
    answer = service.http.post(
        "/animate",
        data={"params": json.dumps(params)},
        files={
            "image": (CASES / row.image).read_bytes(),
            "driving": (CASES / row.driving).read_bytes(),
        },
    )
    assert answer.status_code == 202, answer.text
    url = answer.headers["location"]

    def ended() -> bool:
        return service.http.get(url).json()["status"] in ("succeeded", "failed")

    wait_until(ended, "the job ends")
    job = service.http.get(url).json()
    assert job["status"] == "succeeded", job
    for part in row.warnings:
        assert [part in text for text in job["warnings"]].count(True) == 1, job["warnings"]
    result = service.http.get(f"{url}/result", follow_redirects=True)
    (folder / f"service.{row.out}").write_bytes(result.content)
    manifest = service.http.get(f"{url}/manifest", follow_redirects=True).json()
    return _frames(folder / f"service.{row.out}"), manifest


def _by_command_line(tcan: Tcan, folder: Path, row: Row) -> list[bytes]:
    out = folder / f"cli.{row.out}"
    words = ["--image", str(CASES / row.image), "--driving", str(CASES / row.driving)]
    words += ["--seed", "7", "--num-inference-steps", "2", "--no-retarget", "--no-watermark"]
    has_sound = row.driving == "apac_first.mov"
    ended = tcan("animate", *words, "--out", str(out), *["--audio"] * has_sound)
    assert ended.code == 0, ended.err
    for part in row.warnings:
        assert ended.err.count(part) == 1, ended.err
    if has_sound:
        assert "the sound is track 2" in ended.err
        with av.open(str(out)) as container:
            assert container.streams.audio[0].rate == 48_000
    return _frames(out)


def _frames(file: Path) -> list[bytes]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]
