"""Check the studio: types, tests, and that the committed bundle equals a fresh build.

    .venv/bin/python -m tools.check_studio           # part of make check
    .venv/bin/python -m tools.check_studio --write   # make studio: build into service/studio

Its programs are in studio/node_modules. Without Node.js or them, the checks are listed as skipped.
"""

from __future__ import annotations

import filecmp
import gzip
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.checks import ROOT, Check, FailedError, SkippedError, installed, run_checks, run_program

STUDIO = ROOT / "studio"
BUNDLE = ROOT / "service/studio"
# JavaScript of the first load, compressed.
MAX_SCRIPT_BYTES = 150_000


def main() -> int:
    """Run the checks, or build the bundle; return 1 if one failed."""
    if sys.argv[1:] == ["--write"]:
        return run_checks([("bundle of the studio", write)])
    return run_checks(checks())


def checks() -> Iterator[Check]:
    """Yield names and functions of the checks."""
    yield "tsc, studio", compile_types
    yield "vitest, studio", run_tests
    yield "vite build, studio", compare_bundle


def compile_types() -> str:
    """Compile the studio without writing anything."""
    run_program([program("tsc"), "--noEmit"], cwd=STUDIO)
    return "no error"


def run_tests() -> str:
    """Run the tests of its pure functions."""
    ran = run_program([program("vitest"), "run"], {"NO_COLOR": "1"}, STUDIO)
    found = re.search(r"Tests +(.+)", ran.stdout)
    return found[1] if found else "no tests"


def compare_bundle() -> str:
    """Check that the committed bundle is what the sources give, and that it is small."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        build(fresh)
        if different := sorted(_differences(fresh, BUNDLE)):
            names = ", ".join(different)
            raise FailedError(f"service/studio is out of date ({names}); run 'make studio'")
        return sizes(fresh)


def write() -> str:
    """Build the bundle into the package; files of earlier builds are removed."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        build(fresh)
        shutil.rmtree(BUNDLE / "assets", ignore_errors=True)
        shutil.copytree(fresh, BUNDLE, dirs_exist_ok=True)
        return sizes(fresh)


def build(folder: Path) -> None:
    """Build the bundle into a folder."""
    run_program([program("vite"), "build", "--outDir", str(folder), "--emptyOutDir"], cwd=STUDIO)


def sizes(folder: Path) -> str:
    """Return the compressed sizes of scripts and styles.

    Raises:
        FailedError: the scripts are larger than the first load may be.
    """
    scripts = sum(_compressed(file) for file in folder.rglob("*.js"))
    styles = sum(_compressed(file) for file in folder.rglob("*.css"))
    if scripts > MAX_SCRIPT_BYTES:
        raise FailedError(
            f"{scripts:,} bytes of JavaScript, compressed; {MAX_SCRIPT_BYTES:,} allowed"
        )
    return f"{scripts:,} bytes of JavaScript and {styles:,} of CSS, compressed"


def program(name: str) -> str:
    """Return the path of a program of studio/package.json.

    Raises:
        SkippedError: Node.js or the program is not installed.
    """
    if shutil.which("node") is None:
        raise SkippedError("Node.js is not installed; 20.19 or newer is needed")
    return installed(STUDIO / "node_modules/.bin", name)


def _compressed(file: Path) -> int:
    return len(gzip.compress(file.read_bytes(), mtime=0))


def _differences(fresh: Path, committed: Path) -> Iterator[str]:
    """Yield files of the build that differ or are missing, and old assets."""
    built = {file.relative_to(fresh) for file in fresh.rglob("*") if file.is_file()}
    for name in built:
        other = committed / name
        if not other.exists() or not filecmp.cmp(fresh / name, other, shallow=False):
            yield str(name)
    for file in (committed / "assets").glob("*"):
        if file.relative_to(committed) not in built:
            yield str(file.relative_to(committed))


if __name__ == "__main__":
    sys.exit(main())
