"""The images' locks: hashes for every package, in the versions of constraints.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.docker.requirements import IMAGES, requirements
from tools.image_locks import lock_problems, read_pins

HASH = f"--hash=sha256:{'0a' * 32}"


@pytest.mark.parametrize("image", IMAGES)
def test_lock_agrees_with_the_pins(image: str, repository: Path) -> None:
    lock = (repository / f"deploy/docker/{image}.lock").read_text()
    pins = read_pins((repository / "constraints.txt").read_text())
    assert lock_problems(lock, requirements(image), pins) == []


def test_image_installs_its_lock(repository: Path) -> None:
    for name in ("gateway", "worker"):
        recipe = (repository / f"deploy/docker/{name}.Dockerfile").read_text()
        installs = [line for line in recipe.splitlines() if " install " in line]
        from_pypi = [line for line in installs if "./clients/python ." not in line]
        assert len(from_pypi) == 2
        assert all("--require-hashes --" in line for line in from_pypi)
        assert all("--no-deps" in line for line in installs)


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("av==18.1.0", "av: it must have sha256 hashes and nothing else"),
        (f"av==18.1.0 \\\n  {HASH} \\\n  --hash=md5:00", "av: it must have sha256 hashes"),
        (f"av==18.0.0 {HASH}", "av: 18.0.0 in the lock, but 18.1.0 in constraints.txt"),
        (f"--index-url https://pypi.example\nav==18.1.0 {HASH}", "--index-url: only NAME==VER"),
        (f"av>=18 {HASH}", "av>=18: only NAME==VERSION"),
        (f"pillow==13.0.0 {HASH}", "av: not in the lock"),
    ],
)
def test_wrong_lock_is_reported(lock: str, problem: str) -> None:
    [found, *_] = lock_problems(lock, ["av"], {"av": "18.1.0"})
    assert found.startswith(problem)


def test_right_lock_has_no_problem() -> None:
    lock = f"# a comment\nav==18.1.0 \\\n    {HASH} \\\n    {HASH}\ntorch==2.13.0+cpu {HASH}\n"
    assert lock_problems(lock, ["AV>=1", "torch"], {"torch": "2.13.0"}) == []
