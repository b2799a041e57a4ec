"""Damaged files in the gateway and in the worker's decoder, with real child processes."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from media.limits import MediaLimits
from service.api.app import create_app
from service.contract.errors import ErrorCode
from service.input_limits import InputLimits
from service.settings import Settings
from tests import samples
from tests.fuzz.mutations import fix_checksums, python_mutations, zzuf_mutations
from tests.media.people_images import CASES
from worker.decoding import ChildSource
from worker.failures import AnimationError

LIMITS = InputLimits(decoder_cpu_s=5)
MANY, FEW = 500, 10
# Decoder limits: 10 s of processor time in the gateway, 5 s in the worker, 20 s in all.
LONGEST_S = 25.0


@pytest.fixture
def client(tmp_path: Path, redis_url: str) -> Iterator[TestClient]:
    """Start a gateway that answers 500 instead of raising."""
    settings = {"data": tmp_path / "data", "redis_url": redis_url, "limits": LIMITS}
    app = create_app(Settings.model_validate(settings))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def source() -> Iterator[ChildSource]:
    """Open the worker's decoder."""
    source = ChildSource(LIMITS)
    yield source
    source.close()


class Tally:
    """Counts of the outcomes of damaged files in gateway and worker."""

    def __init__(self, client: TestClient, source: ChildSource, folder: Path) -> None:
        self._client, self._source, self._folder = client, source, folder
        self.answers: Counter[str] = Counter()
        self.decodings: Counter[str] = Counter()
        self.longest_s = 0.0

    def try_all(self, role: str, damaged: Iterable[bytes], count: int) -> None:
        """Check that gateway and worker accept or refuse every file."""
        for content in damaged:
            began_s = time.monotonic()
            self.answers[self._submit(role, content)] += 1
            between_s = time.monotonic()
            self.decodings[self._decode(role, content)] += 1
            ended_s = time.monotonic()
            self.longest_s = max(self.longest_s, between_s - began_s, ended_s - between_s)
        assert self.answers.total() == self.decodings.total() == count
        assert self._client.get("/healthz").status_code == 200
        print(f"\n{role}: gateway {dict(self.answers)}; worker {dict(self.decodings)};", end=" ")
        print(f"longest {self.longest_s:.2f} s")

    def _submit(self, role: str, content: bytes) -> str:
        files = {"image": samples.png(), "driving": samples.poses()} | {role: content}
        answer = self._client.post("/animate", files=files)
        assert answer.status_code == 202 or 400 <= answer.status_code < 500, answer.text
        return "202" if answer.status_code == 202 else outcome(**answer.json())

    def _decode(self, role: str, content: bytes) -> str:
        file = self._folder / role
        file.write_bytes(content)
        limits = MediaLimits()
        try:
            if role == "image":
                self._source.image(file, limits)
                return "decoded"
            with self._source.video(file, limits) as frames:
                assert sum(1 for _ in frames) <= LIMITS.max_frames
            return "decoded"
        except AnimationError as error:
            return outcome(str(error.code), error.detail)


def outcome(code: str, detail: str, **_: object) -> str:
    """Return the code, with the reason if the child was stopped."""
    return f"{code}: {detail.partition(': ')[2]}" if code == ErrorCode.DECODER_STOPPED else code


@pytest.fixture
def tally(client: TestClient, source: ChildSource, tmp_path: Path) -> Tally:
    return Tally(client, source, tmp_path)


@pytest.fixture
def timed_tally(tally: Tally) -> Iterator[Tally]:
    """Return a tally whose files must stay within the decoders' time limits."""
    yield tally
    assert tally.longest_s < LONGEST_S


def test_damaged_media_is_accepted_or_refused(tally: Tally, tmp_path: Path) -> None:
    tally.try_all("driving", python_mutations(samples.video(tmp_path), FEW), FEW)
    assert tally.answers.total() > tally.answers["202"] > 0, (
        "expected both accepted and refused files"
    )
    tally.try_all("image", python_mutations(samples.png(200, 200), FEW), 2 * FEW)
    webp = (CASES / "base.webp").read_bytes()
    tally.try_all("driving", python_mutations(webp, FEW), 3 * FEW)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_videos_damaged_by_zzuf_are_accepted_or_refused(timed_tally: Tally, tmp_path: Path) -> None:
    file = samples.write_video(tmp_path / "valid.mp4", frames=30, size=(160, 128))
    timed_tally.try_all("driving", zzuf_mutations(file, MANY), MANY)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_images_damaged_by_zzuf_are_accepted_or_refused(timed_tally: Tally, tmp_path: Path) -> None:
    file = tmp_path / "valid.png"
    file.write_bytes(samples.png(200, 200))
    timed_tally.try_all("image", zzuf_mutations(file, MANY), MANY)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_small_images_damaged_by_zzuf_are_accepted_or_refused(
    timed_tally: Tally, tmp_path: Path
) -> None:
    file = tmp_path / "valid.png"
    file.write_bytes(samples.png(64, 64))
    timed_tally.try_all("image", zzuf_mutations(file, MANY), MANY)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_damaged_pngs_with_valid_checksums_are_accepted_or_refused(
    timed_tally: Tally, tmp_path: Path
) -> None:
    """Correct checksums let the libraries reach the damaged compressed data."""
    file = tmp_path / "valid.png"
    file.write_bytes(samples.png(200, 200))
    timed_tally.try_all("image", map(fix_checksums, zzuf_mutations(file, MANY)), MANY)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "TIFF", "GIF"])
def test_damaged_images_without_checksums_are_accepted_or_refused(
    timed_tally: Tally, tmp_path: Path, kind: str
) -> None:
    """Formats without checksums: their decoders reach the damage itself."""
    file = tmp_path / "valid"
    with Image.open(io.BytesIO(samples.png(200, 200))) as picture:
        picture.save(file, kind)
    timed_tally.try_all("image", zzuf_mutations(file, MANY), MANY)
    assert timed_tally.decodings["decoded"] > 0
