"""Pictures and videos of people for tests marked `people`; none of them is in the repository.

`make people` unpacks two packages into `.people`: Debian's opencv-doc and scikit-image. A test
whose file is missing is skipped with this reason, which the summary of the run repeats.
"""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / ".people"
# Where the packages put them when they are installed.
INSTALLED = Path("/usr/share/doc/opencv-doc/examples/data")


def people_file(name: str) -> Path:
    """Return the file with this name, or skip the test."""
    found = [*FOLDER.rglob(name), *INSTALLED.glob(name)]
    if not found:
        pytest.skip(f"{name} is not on this machine; run `make people`")
    return found[0]
