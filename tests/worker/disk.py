"""A disk that a test fills and frees while processes use it."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import wait_until

SIZE_BYTES = 64 * 1024 * 1024


@dataclass
class Disk:
    """A small file system, mounted where the system permits that; else a folder.

    Without a mount both harms are the system's limit on the size of files, set on the processes
    that use the folder: the same calls fail, with another error.

    Attributes:
        folder: where it is.
        mounted: whether it is a file system.
    """

    folder: Path
    mounted: bool
    _limited: list[int] = field(default_factory=list)

    def refuse(self, how: str, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Take nothing more: `full`, or `read-only`."""
        if not self.mounted:
            self._limited = [process.pid for process in processes]
            self._limit(0)
        elif how == "full":
            self._fill()
        else:
            # Not while a file is open for writing.
            wait_until(lambda: self._remount("ro"), "the disk is read-only")

    def serve(self) -> None:
        """Take files again."""
        if self.mounted:
            assert self._remount("rw")
            self._filler.unlink(missing_ok=True)
        else:
            self._limit(resource.RLIM_INFINITY)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def _fill(self) -> None:
        with suppress(OSError), open(self._filler, "wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass

    def _remount(self, mode: str) -> bool:
        return _ran("mount", "-o", f"remount,{mode}", str(self.folder))

    def _limit(self, size_bytes: int) -> None:
        for pid in self._limited:
            _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            allowed = most if size_bytes == resource.RLIM_INFINITY else size_bytes
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (allowed, most))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Mount the disk at `folder`, which must exist, until the `with` block ends."""
    mounted = _ran("mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder))
    try:
        yield Disk(folder, mounted)
    finally:
        if mounted:
            _ran("umount", "-l", str(folder))


def _ran(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
