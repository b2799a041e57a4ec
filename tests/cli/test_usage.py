"""Usage errors: exit code 2, before anything is sent, with what to do."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.errors import remedy, sentence, with_option
from cli.examples import EXAMPLES
from cli.jobs import interrupted
from tcan_client import ProblemError, UnreachableError
from tests import samples
from tests.cli.conftest import Tcan
from tests.service.web import web_server
from tools.docs_reference import build_cli

# Nothing listens there: a command that sent something would report it.
AWAY = "http://127.0.0.1:1"


def problem(status: int, code: str) -> ProblemError:
    return ProblemError(status, {"code": code, "detail": "the detail"})


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    (tmp_path / "me.png").write_bytes(samples.png())
    (tmp_path / "dance.json").write_text("[]")
    files = ["--image", str(tmp_path / "me.png"), "--driving", str(tmp_path / "dance.json")]
    return [*files, "--url", AWAY]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("sumbit", "Did you mean 'submit'?"),
        ("poses extrct a.mp4", "Did you mean 'extract'?"),
        ("submit --imag a.png", "--image"),
        ("list --state runing", "'running'"),
        ("list --limit 0", "x>=1"),
        ("doctor --only redsi", "did you mean 'redis'?"),
        ("worker --queues rendr", "did you mean 'render'?"),
        ("health gateway --url foo", "'foo' is no http or https URL"),
        ("health gateway --url http://[", "'http://[' is no URL"),
        ("status abc --url foo", "'foo' is not the URL of a service"),
        ("status abc --url ftp://host", "'ftp://host' is not the URL of a service"),
        ("status ../models", "'../models' cannot be an id"),
        ("status abc --api-key schlüssel", "'tcan keys create'"),
    ],
)
def test_bad_words_exit_with_2_and_the_nearest_name(tcan: Tcan, words: str, says: str) -> None:
    refused = tcan(*words.split())
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--image", "none.png", "there is no such file; give a file, an http(s) URL or the id"),
        ("--image", ".", "is a folder"),
        ("--driving", "s3://bucket/dance.mp4", "only http:// and https:// URLs"),
        ("--driving", "/dev/null/x", "there is no such file"),
        ("--out", "nowhere/x.mp4", "there is no folder nowhere; create it first"),
        ("--out", ".", "is a folder; name a file in it"),
        ("--out", "/dev/null", "is no regular file"),
        ("--out", "/proc/x.mp4", "cannot be written"),
        ("--out", "x.gif", "the result is mp4; choose --format gif"),
        ("--ptm-tau", "11", "--ptm-tau: must be at most 10"),
        ("--num-inference-steps", "0", "--num-inference-steps: must be at least 1, got 0"),
        ("--webhook", "ftp://a", "--webhook: must be an http or https URL"),
        ("--webhook", "http://[", "--webhook: "),
        ("--canvas", "big", "--canvas: must be width and height"),
        ("--idempotency-key", "a b", "1 to 255 visible ASCII characters, got 'a b'"),
    ],
)
def test_submit_checks_its_arguments_before_it_sends_anything(
    tcan: Tcan, inputs: list[str], option: str, value: str, says: str
) -> None:
    refused = tcan("submit", *inputs, option, value)
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.err


def test_wait_checks_its_file_and_an_empty_input_is_refused(
    tcan: Tcan, inputs: list[str], tmp_path: Path
) -> None:
    refused = tcan("wait", "abc", "--url", AWAY, "--out", str(tmp_path))
    assert (refused.code, "is a folder" in refused.err) == (2, True)
    (tmp_path / "me.png").write_bytes(b"")
    assert "is empty" in tcan("submit", *inputs).err
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (UnreachableError("no answer"), "'tcan up', or name another with --url or TCAN_URL"),
        (problem(401, "unauthorized"), "--api-key or TCAN_API_KEY, from 'tcan keys create NAME'"),
        (problem(403, "forbidden"), "give another key with --api-key or TCAN_API_KEY"),
        (problem(502, "http"), "check --url and TCAN_URL"),
    ],
)
def test_errors_of_the_service_name_the_option_that_helps(error: Exception, says: str) -> None:
    assert says in remedy(error)


def test_invalid_values_are_named_by_the_option_that_was_given(
    tcan: Tcan, inputs: list[str]
) -> None:
    files = [*inputs[:4], "--out", f"{inputs[1]}.mp4"]
    assert "error: --trim is from 5 s to 1 s" in tcan("animate", *files, "--trim=5:1").err
    assert "error: --canvas is 'big'; it" in tcan("animate", *files, "--canvas", "big").err
    overlap = with_option("context_overlap is 40; ...", ["--context-overlap", "40"])
    assert overlap == "--context-overlap is 40; ..."
    assert with_option("seed is 1", ["--seeds", "seed"]) == "seed is 1"


def test_refused_fields_are_named_by_their_options() -> None:
    fields = {"params.num_inference_steps": "is odd", "driving_url": "x", "webhook.events": "y"}
    errors = [{"field": name, "detail": detail} for name, detail in fields.items()]
    detail = "; ".join(f"{name}: {detail}" for name, detail in fields.items())
    error = ProblemError(422, {"code": "invalid_params", "detail": detail, "errors": errors})
    assert sentence(error) == (
        "--num-inference-steps: is odd; --driving: x; --webhook-event: y (invalid_params)"
    )


def test_health_of_a_gateway_without_tls_says_so(tcan: Tcan) -> None:
    with web_server() as web:
        url = web.url.replace("http", "https")
        unhealthy = tcan("health", "gateway", "--url", url)
    assert unhealthy.code == 1
    assert "the TLS connection failed; if it speaks no TLS there, use http://" in unhealthy.err


def test_other_errors_name_no_option() -> None:
    assert remedy(problem(422, "invalid_image")) == remedy(ValueError("x")) == ""


def test_interrupted_wait_shows_commands_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = interrupted("http://studio:8000", "8f14", Path("my result.mp4"))
    assert "  tcan wait 8f14 --out 'my result.mp4' --url http://studio:8000 " in shown
    assert "  tcan cancel 8f14 --url http://studio:8000 " in shown
    monkeypatch.setenv("TCAN_URL", "http://studio:8000")
    assert "  tcan wait 8f14    " in interrupted("http://studio:8000", "8f14", None)


def commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command and group with its words."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{path} {name}".strip())


def test_help_of_every_command_ends_with_two_examples_that_parse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("result.mp4", "issuers.pem", "me.png", "dance.mp4", "dance.json"):
        Path(name).write_text("a file that some options want to exist")
    root: Any = typer.main.get_command(build_cli())
    found = dict(commands(root))
    assert set(found) == set(EXAMPLES)
    for path, command in found.items():
        lines = command.get_help(typer.Context(command)).splitlines() if path else []
        assert not path or [line.strip() for line in lines[-2:]] == [
            f"tcan {example}" for example in EXAMPLES[path]
        ]
        for example in EXAMPLES[path]:
            parse(root, shlex.split(example.partition(" | ")[0]))


def parse(command: Any, words: list[str]) -> None:
    """Parse the words of a command. Raises UsageError."""
    while getattr(command, "commands", None):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


def test_gateway_on_a_port_in_use_is_a_usage_error(
    tcan: Tcan, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", redis_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = tcan("gateway", "--port", port, "--data", str(tmp_path))
    assert refused.code == 2
    assert f"port {port} (Address already in use); choose another --port" in refused.err
