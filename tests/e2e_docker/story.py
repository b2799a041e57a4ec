"""The life of a deployment: jobs from outside, a killed worker, a restart of all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx

from cli.demo import draw_pair
from service.client import Client
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobView
from tests.e2e_docker.engine import Compose, EngineError, docker
from tests.e2e_docker.fetched import Fetched
from worker.outputs.provenance.reading import read_manifest

T = TypeVar("T")

WORKERS = 2
# Long enough to be killed in the middle of.
LONG = JobParams(seed=3, num_inference_steps=100)
MIDDLE = 30
# Loading the model takes seconds, and minutes on a machine that is busy otherwise.
READY_S = 600.0
# What the compose file gives a worker between SIGTERM and SIGKILL.
GRACE_S = 30
SHORT = JobParams(seed=3)


class Story:
    """A running deployment, its callers, and what was seen.

    Args:
        url: of the gateway, from outside the containers.
        s3: of the object store, likewise.
        root: PEM of who issued the certificate that the deployment was given.
        folder: for files.
        say: told what happens, in one line each.
    """

    def __init__(
        self,
        compose: Compose,
        url: str,
        s3: str,
        root: str,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self._compose = compose
        self._url = url
        self._s3 = s3
        self._folder = folder
        self._say = say
        self._pair = draw_pair(folder / "pair", seed=1_000_000, frames=24)
        self._root = root
        self._key = ""
        self._frames = ""
        self._results: dict[str, Fetched] = {}
        self.seen: dict[str, object] = {}

    def tell(self) -> None:
        """All of it, in order. Raises EngineError when something is not as promised."""
        with self.noted("up and ready, s"):
            self.up()
        self.made_known()
        with self.noted("a job from outside, s"):
            self.fetch(self.run(SHORT))
        self.undisturbed()
        with self.noted("a job whose worker's container was killed, s"):
            self.killed()
        self.drained()
        with self.noted("down, up and ready again, s"):
            self._compose.run("down")
            self.up()
        self.found_again()

    def up(self) -> None:
        """Start everything, and wait until it does its work."""
        self._compose.run("up", "--detach", "--no-build", "--scale", f"worker-cpu={WORKERS}")
        with self.client() as client:
            wait_until(client.is_ready, "the service is ready", READY_S)
        wait_until(lambda: not self.unhealthy(), "all containers are healthy", READY_S)

    def unhealthy(self) -> list[str]:
        """Containers that run and are not healthy."""
        shown = "{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"
        told = docker("inspect", "--format", shown, *self._compose.containers())
        return [line for line in told.splitlines() if not line.endswith((" healthy", " none"))]

    def made_known(self) -> None:
        """As shipped nobody may call without a key; the container makes one."""
        refused = httpx.get(f"{self._url}/jobs").status_code
        if refused != httpx.codes.UNAUTHORIZED:
            raise EngineError(f"a caller without a key got {refused}, not 401")
        self._key = self._compose.run("exec", "-T", "gateway", "tcan", "keys", "create", "e2e")
        self.seen["a caller without a key gets"] = refused

    def client(self) -> Client:
        """Of the caller who has the key, once there is one."""
        return Client(self._url, api_key=self._key or None)

    def submit(self, params: JobParams) -> str:
        """A job of the puppet; its id."""
        with self.client() as client:
            return client.submit(self._pair / "source.png", self._pair / "driving.mp4", params).id

    def end(self, job_id: str) -> JobView:
        """The job when it has succeeded."""
        with self.client() as client:
            job = client.wait(job_id)
        if job.status is not JobState.SUCCEEDED:
            raise EngineError(f"job {job_id} {job.status}: {job.error}")
        return job

    def run(self, params: JobParams) -> str:
        """Submit it and wait; the job's id."""
        return self.end(self.submit(params)).id

    def fetch(self, job_id: str) -> Fetched:
        """The job's video, which must come from S3 itself."""
        caller = {"Authorization": f"Bearer {self._key}"}
        link = httpx.get(f"{self._url}/jobs/{job_id}/result", headers=caller).headers["location"]
        if urlsplit(link).netloc != urlsplit(self._s3).netloc:
            raise EngineError(f"the result comes from {link}, not from {self._s3}")
        answer = httpx.get(link).raise_for_status()
        if answer.content[4:8] != b"ftyp":
            raise EngineError(f"the result of {job_id} is no mp4: {answer.content[:12]!r}")
        file = self._folder / f"{job_id}.mp4"
        file.write_bytes(answer.content)
        signed = read_manifest(file, self._root)
        if not signed.trusted:
            raise EngineError(f"{job_id} is not signed by the given certificate: {signed}")
        self._results[job_id] = Fetched.of(file)
        return self._results[job_id]

    def undisturbed(self) -> None:
        """The long job with nobody in its way: what it must look like."""
        self._say("the long job, undisturbed")
        self._frames = self.fetch(self.run(LONG)).frames
        self.seen["sha256 of the long job's frames"] = self._frames

    def killed(self) -> None:
        """SIGKILL to the container that has the job; another finishes it, to the same frames."""
        job_id = self.submit(LONG)
        step = self.wait_for_step(job_id, MIDDLE)
        container = self.holder(job_id)
        self._say(f"killing {container} at step {step}")
        docker("kill", container)
        job = self.end(job_id)
        self.seen["killed at step"] = step
        self.seen["attempts of the killed job"] = job.attempts
        self.seen["the killed job's frames are the same"] = self.same(job_id)

    def drained(self) -> None:
        """SIGTERM to the container that has the job: it leaves in time and loses nothing."""
        self._compose.run("up", "--detach", "--no-build", "--scale", f"worker-cpu={WORKERS}")
        job_id = self.submit(LONG)
        step = self.wait_for_step(job_id, MIDDLE)
        container = self.holder(job_id)
        began_s = time.monotonic()
        docker("stop", "--time", str(GRACE_S), container)
        took_s = time.monotonic() - began_s
        code = docker("inspect", "--format", "{{.State.ExitCode}}", container)
        self._say(f"stopped {container} at step {step}: {took_s:.1f} s, exit code {code}")
        if code != "0":
            raise EngineError(f"a worker that drains took {took_s:.1f} s and ended with {code}")
        job = self.end(job_id)
        self.seen["a draining worker leaves after, s"] = round(took_s, 1)
        self.seen["its exit code"] = int(code)
        self.seen["attempts of the drained job"] = job.attempts
        self.seen["the drained job's frames are the same"] = self.same(job_id)

    def found_again(self) -> None:
        """Every job and every object of before is there. Raises EngineError."""
        with self.client() as client:
            there = {job.id for job in client.jobs() if job.status is JobState.SUCCEEDED}
        missing = set(self._results) - there
        if missing:
            raise EngineError(f"jobs are gone after the restart: {missing}")
        for job_id, before in list(self._results.items()):
            if self.fetch(job_id) != before:
                raise EngineError(f"the video of {job_id} is another one after the restart")
        self.seen["jobs and videos found again after the restart"] = len(self._results)
        self.seen["of them signed by the certificate in the folder signing"] = len(self._results)

    def same(self, job_id: str) -> bool:
        """Whether the frames are the undisturbed job's. Raises EngineError when they are not.

        The files are not: each is signed with its job's id and the time.
        """
        if self.fetch(job_id).frames != self._frames:
            raise EngineError(f"the frames of {job_id} differ from the undisturbed ones")
        return True

    def wait_for_step(self, job_id: str, step: int) -> int:
        """The step that the job is at once it has come so far."""
        with self.client() as client:

            def reached() -> int:
                now = client.job(job_id).progress
                return now.step if now.steps == LONG.num_inference_steps and now.step >= step else 0

            return wait_until(reached, f"step {step} of {job_id}", READY_S)

    def holder(self, job_id: str) -> str:
        """The container whose worker has the job's lease."""
        [valkey] = self._compose.containers("valkey")
        worker = docker("exec", valkey, "valkey-cli", "HGET", f"tcan:job:{job_id}", "worker")
        hosts = {
            str(one["Config"]["Hostname"]): str(one["Id"])[:12]
            for one in json.loads(docker("inspect", *self._compose.containers("worker-cpu")))
        }
        return hosts[worker.rsplit("-", 2)[0]]

    @contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Say it, and remember how long it took."""
        self._say(what.removesuffix(", s"))
        began_s = time.monotonic()
        yield
        self.seen[what] = round(time.monotonic() - began_s, 1)


def wait_until(probe: Callable[[], T], what: str, timeout_s: float) -> T:
    """Ask again and again until `probe` answers something true. Raises EngineError."""
    deadline = time.monotonic() + timeout_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise EngineError(f"after {timeout_s:g} s still not: {what}")
        time.sleep(0.1)
    return answer
