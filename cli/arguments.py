"""Checks of arguments before anything is sent or computed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import typer

from service.contract.params import ResultFormat
from tcan_client.sources import UPLOAD_ID, URL


def input_source(option: str, text: str) -> str | Path:
    """Return an input: a file's path, an http(s) URL or an upload's id.

    Raises:
        BadParameter: it is none of these, or the file cannot be read.
    """
    if URL.match(text) or (UPLOAD_ID.fullmatch(text) and not Path(text).exists()):
        return text
    path = Path(text)
    problem = ""
    if "://" in text:
        problem = "only http:// and https:// URLs, files and ids of uploads are allowed"
    elif not path.exists():
        problem = "there is no such file; give a file, an http(s) URL or the id of an upload"
    elif path.is_dir():
        problem = "is a folder; name a file in it"
    elif not os.access(path, os.R_OK):
        problem = "cannot be read; check its permissions"
    elif path.is_file() and path.stat().st_size == 0:
        problem = "is empty"
    if problem:
        raise typer.BadParameter(f"{text!r}: {problem}", param_hint=f"'{option}'")
    return path


def driving_source(option: str, text: str) -> str | Path | bytes:
    """Return a driving input as `input_source` does; a folder of pose files becomes a zip.

    Raises:
        BadParameter: see `input_source`.
        PoseFileError: there are no pose files in the folder, or too many.
    """
    from media.poses.archive import zip_folder

    return zip_folder(Path(text)) if Path(text).is_dir() else input_source(option, text)


def option_of(field: str) -> str:
    """Return the option that sets a field of the API: --ptm-tau of `params.ptm_tau`."""
    name = field.removeprefix("params.").removeprefix("options.")
    if name == "webhook.events":
        return "--webhook-event"
    name = name.partition(".")[0].removesuffix("_url").removesuffix("_upload")
    return f"--{name.replace('_', '-')}"


def check_output(
    option: str, path: Path, suffix: str | None = None, remedy: str | None = None
) -> None:
    """Check that a file can be written, by writing another one beside it.

    Args:
        suffix: suffix of the content, such as `mp4`; None if it is unknown.
        remedy: what to do if the path ends in another format's; a better name by default.

    Raises:
        BadParameter: the file cannot be written, or its name is of another format.
    """
    problem = ""
    if path.is_dir():
        problem = "is a folder; name a file in it"
    elif path.exists() and not path.is_file():
        problem = "is no regular file"
    elif not path.parent.is_dir():
        problem = f"there is no folder {path.parent}; create it first"
    else:
        try:
            with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent):
                pass
        except OSError as error:
            problem = f"cannot be written: {error.strerror}"
    if not problem and suffix is not None and path.suffix.lower()[1:] in {*ResultFormat} - {suffix}:
        problem = f"the result is {suffix}; {remedy or f'name it {path.stem}.{suffix}'}"
    if problem:
        raise typer.BadParameter(f"{str(path)!r}: {problem}", param_hint=f"'{option}'")
