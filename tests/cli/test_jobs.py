"""`tcan submit`, `status`, `wait`, `cancel`, `list` against a running embedded service."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import typer

from cli.submit import submit
from service.contract.options import JobOptions
from tcan_client import Client, JobState
from tcan_client.errors import ProblemError, UnreachableError
from tests import samples
from tests.cli.conftest import Tcan, Up
from tests.servers import GUARD_S, wait_until
from tests.service.receiver import receiving
from tests.service.web import web_server
from tests.worker.paint import black_video, count_frames

pytestmark = pytest.mark.e2e

Words = Callable[..., list[str]]


@pytest.fixture
def inputs(tmp_path: Path, up: Up) -> list[str]:
    """The words that name good inputs and the service."""
    image = tmp_path / "image.png"
    image.write_bytes(samples.png())
    driving = samples.write_video(tmp_path / "driving.mp4", frames=6)
    return ["--image", str(image), "--driving", str(driving), "--url", up.url]


def test_submit_and_wait_download_the_result(tcan: Tcan, inputs: list[str], tmp_path: Path) -> None:
    out = tmp_path / "x.mp4"
    done = tcan("submit", *inputs, "--seed", "3", "--wait", "--out", str(out))
    assert done.code == 0, done.err
    assert "succeeded" in done.out
    assert str(out) in done.out
    assert "succeeded" in done.err
    assert count_frames(out) == 6


def test_submit_prints_the_id_and_status_shows_the_job(
    tcan: Tcan, inputs: list[str], up: Up
) -> None:
    job_id = tcan("submit", *inputs).out.strip()
    assert job_id in tcan("status", job_id, "--url", up.url).out
    assert job_id in tcan("list", "--url", up.url).out
    waited = tcan("wait", job_id, "--url", up.url, "--json")
    job = json.loads(waited.out)
    assert (job["id"], job["status"], waited.code) == (job_id, "succeeded", 0)
    listed = json.loads(tcan("list", "--url", up.url, "--json").out)
    assert job_id in [entry["id"] for entry in listed]


def test_a_job_that_fails_is_an_error(tcan: Tcan, inputs: list[str], tmp_path: Path) -> None:
    black_video(tmp_path / "driving.mp4")
    failed = tcan("submit", *inputs, "--wait", "--out", str(tmp_path / "x.mp4"))
    assert failed.code == 1
    assert "failed: no person in 3 frames (no_person)" in failed.out
    assert not (tmp_path / "x.mp4").exists()


def test_rejected_inputs_are_usage_errors(tcan: Tcan, inputs: list[str], tmp_path: Path) -> None:
    (tmp_path / "driving.mp4").write_text("text\nof two lines")
    refused = tcan("submit", *inputs)
    assert refused.code == 2
    assert refused.err.startswith("error: driving: not a video")
    assert "(invalid_video)" in refused.err


def test_parameters_out_of_range_are_rejected_before_upload(tcan: Tcan, inputs: list[str]) -> None:
    refused = tcan("submit", *inputs, "--ptm-tau", "11", "--context-overlap", "70")
    assert refused.code == 2
    assert "--ptm-tau: must be at most 10.0, got 11.0" in refused.err
    assert "--context-overlap" in refused.err


def test_a_running_job_is_canceled(tcan: Tcan, inputs: list[str], up: Up, client: Client) -> None:
    job_id = tcan("submit", *inputs, "--num-inference-steps", "200").out.strip()
    wait_until(lambda: client.job(job_id).progress.step > 0, "the job renders")
    assert tcan("cancel", job_id, "--url", up.url).code == 0
    ended = tcan("wait", job_id, "--url", up.url)
    assert (ended.code, client.job(job_id).status) == (1, JobState.CANCELED)


def test_unknown_job_is_reported(tcan: Tcan, up: Up) -> None:
    refused = tcan("status", "abc", "--url", up.url)
    assert (refused.code, refused.err) == (2, "error: there is no job 'abc' (job_not_found)\n")


def test_client_distinguishes_rejection_from_no_response(client: Client) -> None:
    with pytest.raises(ProblemError) as refused:
        client.job("abc")
    assert (refused.value.status, refused.value.code) == (404, "job_not_found")
    pauses: list[float] = []
    with Client("http://127.0.0.1:1", pause=pauses.append) as unreachable:
        assert not unreachable.is_ready()
        with pytest.raises(UnreachableError, match="no answer from http://127.0.0.1:1"):
            unreachable.jobs()
    assert pauses == [0.5, 1.0, 2.0]


def test_a_job_is_made_in_another_format_listed_and_erased(
    tcan: Tcan, inputs: list[str], up: Up, tmp_path: Path
) -> None:
    ended = tcan("submit", *inputs, "--format", "gif", "--ttl-s", "600", "--wait", "--json")
    job = json.loads(ended.out)
    assert (job["params"]["format"], job["options"]["ttl_s"]) == ("gif", 600)
    listed = tcan("list", "--state", "succeeded", "--url", up.url, "--json")
    assert job["id"] in [entry["id"] for entry in json.loads(listed.out)]
    assert tcan("erase", job["id"], "--url", up.url).code == 0
    assert "(job_not_found)" in tcan("status", job["id"], "--url", up.url).err


def test_every_option_of_a_job_can_be_given(tcan: Tcan, inputs: list[str]) -> None:
    words = ("--priority", "low", "--start-deadline-s", "900", "--run-deadline-s", "1800")
    made = tcan("submit", *inputs, *words, "--json")
    options = json.loads(made.out)["options"]
    assert (options["priority"], options["start_deadline_s"]) == ("low", 900)
    assert options["run_deadline_s"] == 1800
    words = ("--ptm-tau", "3", "--context-size", "16", "--context-overlap", "2")
    job = json.loads(tcan("submit", *inputs, *words, "--json").out)
    assert (job["params"]["ptm_tau"], job["params"]["context_size"]) == (3, 16)
    words = ("--trim", "0.1:4", "--metadata", "shot=12", "--metadata", "note=a=b")
    job = json.loads(tcan("submit", *inputs, *words, "--json").out)
    assert job["params"]["trim"] == {"start_s": 0.1, "end_s": 4.0}
    assert job["params"]["ptm_tau"] is None and job["params"]["context_size"] is None
    assert job["options"]["metadata"] == {"shot": "12", "note": "a=b"}
    listed = tcan("list", *inputs[4:], "--metadata", "shot=12", "--json")
    assert [entry["id"] for entry in json.loads(listed.out)] == [job["id"]]
    for wrong in (("--trim", "x"), ("--metadata", "shot"), ("--metadata", "a b=1")):
        assert tcan("submit", *inputs, *wrong).code == 2
    refused = tcan("submit", *inputs, "--run-deadline-s", "0")
    assert (refused.code, "--run-deadline-s" in refused.err) == (2, True)
    flags = {name for parameter in command().params for name in parameter.opts}
    assert {f"--{name.replace('_', '-')}" for name in JobOptions.model_fields} <= flags


def command() -> Any:
    """Return `tcan submit` with its parameters."""
    app = typer.Typer()
    app.command()(submit)
    return typer.main.get_command(app)


def test_webhook_receives_the_chosen_events(tcan: Tcan, inputs: list[str], client: Client) -> None:
    def info(*words: str) -> list[str]:
        with receiving() as receiver:
            ended = tcan("submit", *inputs, "--webhook", receiver.url, *words, "--wait", "--json")
            assert ended.code == 0, ended.err
            job_id = json.loads(ended.out)["id"]
            wait_until(
                lambda: all(sent.status == "delivered" for sent in client.deliveries(job_id)),
                "all messages are delivered",
            )
            return sorted(json.loads(message.body)["type"] for message in receiver.messages)

    assert info() == ["job.succeeded"]
    chosen = ("--webhook-event", "job.running", "--webhook-event", "job.succeeded")
    assert info(*chosen, *chosen) == ["job.running", "job.succeeded"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--webhook-event", "job.failed"), "--webhook"),
        (("--webhook", "ftp://x/y"), "--webhook: must be an http or https URL"),
        (("--webhook", "http://x/y", "--webhook-event", "job.paused"), "job.paused"),
    ],
)
def test_invalid_webhook_is_rejected(
    tcan: Tcan, inputs: list[str], words: tuple[str, ...], message: str
) -> None:
    refused = tcan("submit", *inputs, *words)
    assert refused.code == 2
    assert message in " ".join(refused.err.split())


def test_interrupted_wait_leaves_the_job_and_tells_how_to_go_on(
    inputs: list[str], up: Up, client: Client, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cli.main", "submit", *inputs, "--wait"]
    command += ["--num-inference-steps", "200", "--out", str(tmp_path / "x.mp4")]
    with subprocess.Popen(command, text=True, stdout=PIPE, stderr=PIPE) as waiting:
        assert waiting.stdout is not None
        job_id = waiting.stdout.readline().strip()  # before the job has ended
        assert not client.job(job_id).has_ended
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=GUARD_S)
    assert waiting.returncode == 130, said
    assert f"tcan wait {job_id} --out {tmp_path / 'x.mp4'} --url {up.url} " in said
    assert f"tcan cancel {job_id} --url {up.url} " in said
    assert "Traceback" not in said
    client.cancel(job_id)
    assert list(tmp_path.glob("*x.mp4*")) == []


def test_urls_are_inputs_and_a_key_makes_one_job(
    tcan: Tcan, inputs: list[str], tmp_path: Path
) -> None:
    """Words of an option that come later replace earlier ones."""
    key = ("--idempotency-key", "shot-7")
    with web_server() as web:
        image = web.page("/me.png", samples.png())
        driving = web.page("/walk.mp4", (tmp_path / "driving.mp4").read_bytes())
        words = ("submit", *inputs, "--image", image, "--driving", driving)
        first = tcan(*words, *key)
        assert (first.code, first.err) == (0, "")
        assert tcan(*words, *key).out == first.out
        assert tcan(*words).out != first.out
    reused = tcan("submit", *inputs, *key)
    assert (reused.code, "(idempotency_key_reused)" in reused.err) == (2, True)


def test_json_of_a_waiting_submit_is_alone_on_standard_output(
    tcan: Tcan, inputs: list[str]
) -> None:
    done = tcan("submit", *inputs, "--wait", "--json")
    assert done.err.startswith(f"{json.loads(done.out)['id']}\n")
