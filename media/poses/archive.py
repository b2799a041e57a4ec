"""Pose files of one frame each, as OpenPose writes them: in a folder or a zip.

Files are read in the order of the numbers in their names. A zip may be hostile: what it unpacks to
is limited, and its names are only sorted and shown.
"""

from __future__ import annotations

import codecs
import zipfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from media.errors import PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.document import Files
from media.poses.frames import natural_order
from media.poses.text import ENCODINGS

ZIP_MAGIC = b"PK\x03\x04"
_ENCRYPTED = 1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError)


def is_pose_file(path: Path) -> bool:
    """Return whether a path is that of a pose file, a zip of them, or a folder."""
    return path.suffix.lower() in (".json", ".zip") or path.is_dir()


def pose_files(path: Path, limits: PoseFileLimits) -> Files:
    """Return name and content of a pose file, or of those in a folder or a zip.

    Raises:
        PoseFileError: see `read_folder` and `read_zip`.
    """
    if path.is_dir():
        return read_folder(path, limits)
    try:
        limits.check_bytes(path.name, path.stat().st_size)
        if path.suffix.lower() != ".zip":
            return [(path.name, path.read_bytes())]
        with path.open("rb") as file:
            return read_zip(path.name, file, limits)
    except OSError as error:
        raise PoseFileError(f"{path.name}: cannot be read ({error.strerror})") from error


def read_folder(folder: Path, limits: PoseFileLimits) -> Files:
    """Return name and content of the JSON files in a folder.

    Raises:
        PoseFileError: there are none, they are over a limit, or cannot be read.
    """
    try:
        paths = [path for path in folder.iterdir() if _is_pose_file(path.name)]
        paths.sort(key=lambda path: natural_order(path.name))
        _check_count(folder.name, len(paths), limits)
        limits.check_bytes(folder.name, sum(path.stat().st_size for path in paths))
        return [(path.name, path.read_bytes()) for path in paths]
    except OSError as error:
        raise PoseFileError(f"{folder.name}: cannot be read ({error.strerror})") from error


def read_zip(name: str, file: BinaryIO, limits: PoseFileLimits) -> Files:
    """Return name and content of the JSON files in a zip.

    Args:
        name: file name for messages.
        file: the open zip.
        limits: `max_bytes` is the size of all files after unpacking.

    Raises:
        PoseFileError: there are no JSON files, they are over a limit, or the zip is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if _is_pose_file(info.filename)]
            members.sort(key=lambda info: natural_order(info.filename))
            _check_count(name, len(members), limits)
            return _unpacked(name, archive, members, limits)
    except _DAMAGED as error:
        raise PoseFileError(f"{name}: the zip is damaged; pack it again") from error


def zip_folder(folder: Path, limits: PoseFileLimits | None = None) -> bytes:
    """Return the JSON files of a folder as a zip. Raises PoseFileError; see `read_folder`."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in read_folder(folder, limits or PoseFileLimits()):
            archive.writestr(name, data)
    return stream.getvalue()


def load_codecs() -> None:
    """Load the codecs of names and texts, for a process that cannot open files later."""
    for encoding in ("cp437", *ENCODINGS):
        codecs.lookup(encoding)


def _unpacked(
    name: str, archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limits: PoseFileLimits
) -> Files:
    files = []
    remaining = limits.max_bytes
    for info in members:
        own = f"{name}: {PurePosixPath(info.filename).name[:100]!r}"
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise PoseFileError(f"{own} is encrypted or packed in a rare way; pack it as usual")
        with archive.open(info) as stream:
            data = stream.read(remaining + 1)  # the header's size may be false
        remaining -= len(data)
        if remaining < 0:
            raise PoseFileError(
                f"{name}: its files have over {limits.max_bytes:,} bytes, which is the limit",
                Problem.TOO_LARGE,
            )
        files.append((own, data))
    return files


def _is_pose_file(name: str) -> bool:
    """Return whether a file is JSON, and not metadata that a file system or an archiver added."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return path.suffix.lower() == ".json" and not hidden


def _check_count(name: str, count: int, limits: PoseFileLimits) -> None:
    if count == 0:
        raise PoseFileError(f"{name}: there are no .json files in it; put one per frame into it")
    limits.check_frames(name, count)
