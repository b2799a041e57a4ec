"""The command line itself: what it imports, and what becomes of errors."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from cli.errors import exit_code, sentence
from cli.main import COMMANDS, build_app
from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError, UnavailableError
from tcan_client.errors import ProblemError
from tcan_core.errors import ConfigError, MediaError, TcanError, WeightsError
from tests.cli.conftest import Tcan

HEAVY = ("torch", "fastapi", "celery", "redis", "pydantic", "numpy", "httpx", "rich")


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    script = "import sys; from cli.main import main\n"
    script += "try: main(['--help'])\nexcept SystemExit: pass\n"
    script += f"print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert all(f"  {command.name} " in result for command in COMMANDS)
    assert result.strip().endswith("[]")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help(tcan: Tcan, command: tuple[str, str, str]) -> None:
    result = tcan(command[0], "--help")
    assert result.code == 0
    assert f"tcan {command[0]}" in result.out or f"{command[0]} [OPTIONS]" in result.out


def test_command_imports_only_its_own_module() -> None:
    script = "import sys; from cli.main import build_app; build_app(['submit'])\n"
    script += "print([name for name in ('torch', 'fastapi', 'celery') if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert result.strip() == "[]"


def test_version_is_printed(tcan: Tcan) -> None:
    assert tcan("--version").out.startswith("tcan 0.")


def test_unknown_command_is_a_usage_error(tcan: Tcan) -> None:
    refused = tcan("nonsense")
    assert refused.code == 2
    assert "nonsense" in refused.err


NOWHERE = ("--url", "http://127.0.0.1:9")
FILES = ("--image", "no.png", "--driving", "no.mp4")


@pytest.mark.parametrize(
    ("words", "exit_code", "code", "detail"),
    [
        (("animate", *FILES, "--out", "x.mp4"), 2, "invalid_media", "no.png"),
        (("animate", *FILES), 2, "invalid_input", "Missing option '--out'"),
        (("animate", *FILES, "--sed", "7"), 2, "invalid_input", "No such option: --sed"),
        (("plan", "--memory", "lots"), 2, "invalid_input", "lots"),
        (("plan", "--preset", "mime", "--memory", "9GiB"), 2, "config", "no preset 'mime'"),
        (("compare", "no.json", "no2.json"), 2, "invalid_input", "no.json"),
        (("models", "show", "mime"), 2, "config", "no preset 'mime'"),
        (("models", "import", "no.ckpt"), 2, "invalid_parameter", "there is no such file"),
        (("verify-origin", "no.mp4"), 2, "invalid_input", "no.mp4"),
        (("doctor", "--only", "redsi"), 2, "invalid_input", "did you mean 'redis'"),
        (("simulate", "--gpus", "0"), 2, "invalid_input", "gpus"),
        (("submit", *FILES, *NOWHERE), 2, "invalid_input", "--image"),
        pytest.param(
            ("status", "x", *NOWHERE), 1, "unavailable", "tcan up", marks=pytest.mark.long
        ),
        (("list", "--metadata", "x"), 2, "invalid_input", "give NAME=VALUE"),
        (("poses", "preview", "no.mp4", *NOWHERE), 2, "invalid_input", "no.mp4"),
        (("keys", "list"), 2, "invalid_input", "TCAN_REDIS_URL"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_refusal_is_one_json_object_with_json(
    tcan: Tcan, words: tuple[str, ...], exit_code: int, code: str, detail: str
) -> None:
    plain, refused = tcan(*words), tcan(*words, "--json")
    assert plain.out == "" and plain.code == refused.code == exit_code
    error = json.loads(refused.out)["error"]
    assert error["code"] == code and detail in error["detail"]
    assert refused.err.splitlines()[-1] == f"error: {error['detail']}"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (MediaError("x.mp4: not a video"), 2, "x.mp4: not a video"),
        (ConfigError("unknown key 'a'"), 2, "unknown key 'a'"),
        (WeightsError("weights are missing"), 1, "weights are missing"),
        (TcanError("stopped"), 1, "stopped"),
        (SettingsError("no Redis is known"), 2, "no Redis is known"),
        (RejectedError(ErrorCode.NO_PERSON, "no person"), 2, "no person"),
        (
            ProblemError(422, {"code": "no_person", "detail": "no person"}),
            2,
            "no person (no_person)",
        ),
        (ProblemError(503, {"code": "unavailable", "detail": "later"}), 1, "later (unavailable)"),
        (UnavailableError("no answer"), 1, "no answer"),
        (FileNotFoundError(2, "No such file", "a.png"), 2, "a.png: No such file"),
        (
            ModuleNotFoundError(name="tcan_client"),
            1,
            "tcan-client is not installed; run 'pip install ./clients/python' in the checkout",
        ),
        (KeyError("x"), 1, "KeyError: 'x' (set TCAN_TRACEBACK=1 for the traceback)"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error: Exception, code: int, text: str) -> None:
    assert (exit_code(error), sentence(error)) == (code, text)


@pytest.mark.long
def test_an_error_of_a_command_shows_no_traceback(tcan: Tcan) -> None:
    failed = tcan("status", "abc", "--url", "http://127.0.0.1:1")
    assert failed.code == 1
    assert failed.err.startswith("error: no answer from http://127.0.0.1:1")
    assert "Traceback" not in failed.err


def test_app_has_each_name_once() -> None:
    app = build_app(["wait"])
    names = [command.name for command in app.registered_commands if command.name]
    assert len(names) == len(set(names))
