"""The scenario of a deployment: jobs from outside, a killed worker, a drained one, a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx

from cli.demo import draw_pair
from tcan_client import Client, Job, JobParams, JobState
from tests.e2e_docker.engine import Compose, EngineError, docker
from tests.e2e_docker.video_digest import VideoDigest
from worker.outputs.provenance.reading import read_manifest

T = TypeVar("T")

WORKERS = 2
# Long enough for its worker to be killed during it.
LONG = JobParams(seed=3, num_inference_steps=100)
MIDDLE = 30
# Loading the model takes seconds, and minutes on a busy machine.
READY_S = 600.0
# Time between SIGTERM and SIGKILL of a worker in the compose file.
GRACE_S = 30
SHORT = JobParams(seed=3)


class Addresses(NamedTuple):
    """Addresses of a deployment, from outside the containers."""

    gateway: str
    s3: str
    prometheus: str


class Scenario:
    """A running deployment, its callers and the measured results.

    Args:
        root: PEM of the issuer of the deployment's certificate.
        folder: folder for files.
        log: called with one line per event.
    """

    def __init__(
        self,
        compose: Compose,
        urls: Addresses,
        root: str,
        folder: Path,
        log: Callable[[str], None],
    ) -> None:
        self._compose = compose
        self._urls = urls
        self._folder = folder
        self._log = log
        self._pair = draw_pair(folder / "pair", seed=1_000_000, frames=24)
        self._root = root
        self._key = ""
        self._frames = ""
        self._digests: dict[str, VideoDigest] = {}
        self.results: dict[str, object] = {}

    def run(self) -> None:
        """Run all steps in order. Raises EngineError if a check fails."""
        with self.timed("up and ready, s"):
            self.start()
        self.create_key()
        with self.timed("Prometheus up, restarted, and reading metrics, s"):
            self.check_metrics()
        with self.timed("a job from outside, s"):
            self.fetch(self.run_job(SHORT))
        self.run_reference()
        with self.timed("a job whose worker's container was killed, s"):
            self.kill_worker()
        self.drain_worker()
        with self.timed("down, up and ready again, s"):
            self._compose.run("down")
            self.start()
        self.check_after_restart()

    def start(self) -> None:
        """Start everything and wait until all containers are healthy."""
        self._compose.run("up", "--detach", "--no-build", "--scale", f"worker-cpu={WORKERS}")
        with self.client() as client:
            wait_until(client.is_ready, "the service is ready", READY_S)
        wait_until(lambda: not self.unhealthy(), "all containers are healthy", READY_S)

    def unhealthy(self) -> list[str]:
        """Return the running containers that are not healthy."""
        columns = "{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}"
        output = docker("inspect", "--format", columns, *self._compose.containers())
        return [line for line in output.splitlines() if not line.endswith((" healthy", " none"))]

    def create_key(self) -> None:
        """Check that a call without a key is refused, then create one in the container."""
        status = httpx.get(f"{self._urls.gateway}/jobs").status_code
        if status != httpx.codes.UNAUTHORIZED:
            raise EngineError(f"a caller without a key got {status}, not 401")
        self._key = self._compose.run("exec", "-T", "gateway", "tcan", "keys", "create", "e2e")
        self.results["a caller without a key gets"] = status

    def check_metrics(self) -> None:
        """Check that metrics need the token, which Compose gives to Prometheus."""
        status = httpx.get(f"{self._urls.gateway}/metrics").status_code
        if status != httpx.codes.UNAUTHORIZED:
            raise EngineError(f"metrics without a token got {status}, not 401")
        self._compose.run("up", "--detach", "--no-build", "prometheus")
        wait_until(self.can_prometheus_read, "Prometheus reads the metrics", READY_S)
        self._compose.run("restart", "prometheus")
        wait_until(self.can_prometheus_read, "Prometheus reads them after its restart", READY_S)
        self.results["metrics without the token get"] = status

    def can_prometheus_read(self) -> bool:
        """Check that Prometheus runs and that its last reading of each target succeeded."""
        try:
            answer = httpx.get(f"{self._urls.prometheus}/api/v1/targets").raise_for_status()
        except httpx.HTTPError:
            return False
        targets = answer.json()["data"]["activeTargets"]
        return bool(targets) and all(target["health"] == "up" for target in targets)

    def client(self) -> Client:
        """Return a client with the key, if it exists yet."""
        return Client(self._urls.gateway, api_key=self._key or None)

    def submit(self, params: JobParams) -> str:
        """Submit a job of the puppet and return its id."""
        with self.client() as client:
            return client.submit(self._pair / "source.png", self._pair / "driving.mp4", params).id

    def wait_for_success(self, job_id: str) -> Job:
        """Wait for a job's success and return it. Raises EngineError if it fails."""
        with self.client() as client:
            job = client.wait(job_id)
        if job.status is not JobState.SUCCEEDED:
            raise EngineError(f"job {job_id} {job.status}: {job.error}")
        return job

    def run_job(self, params: JobParams) -> str:
        """Submit a job, wait for its success and return its id."""
        return self.wait_for_success(self.submit(params)).id

    def fetch(self, job_id: str) -> VideoDigest:
        """Download the job's video, which must come directly from S3."""
        caller = {"Authorization": f"Bearer {self._key}"}
        answer = httpx.get(f"{self._urls.gateway}/jobs/{job_id}/result", headers=caller)
        link = answer.headers["location"]
        if urlsplit(link).netloc != urlsplit(self._urls.s3).netloc:
            raise EngineError(f"the result comes from {link}, not from {self._urls.s3}")
        answer = httpx.get(link).raise_for_status()
        if answer.content[4:8] != b"ftyp":
            raise EngineError(f"the result of {job_id} is no mp4: {answer.content[:12]!r}")
        file = self._folder / f"{job_id}.mp4"
        file.write_bytes(answer.content)
        manifest = read_manifest(file, self._root)
        if not manifest.trusted:
            raise EngineError(f"{job_id} is not signed by the deployment's certificate: {manifest}")
        self._digests[job_id] = VideoDigest.of(file)
        return self._digests[job_id]

    def run_reference(self) -> None:
        """Run the long job without any failure, as the reference."""
        self._log("the long job, without a failure")
        self._frames = self.fetch(self.run_job(LONG)).frames
        self.results["sha256 of the long job's frames"] = self._frames

    def kill_worker(self) -> None:
        """Kill the container that runs the job; another one must finish it with the same frames."""
        job_id = self.submit(LONG)
        step = self.wait_for_step(job_id, MIDDLE)
        container = self.leasing_container(job_id)
        self._log(f"killing {container} at step {step}")
        docker("kill", container)
        job = self.wait_for_success(job_id)
        self.results["killed at step"] = step
        self.results["attempts of the killed job"] = job.attempts
        self.results["the killed job's frames are the same"] = self.has_reference_frames(job_id)

    def drain_worker(self) -> None:
        """Stop the container that runs the job: it must exit in time and lose nothing."""
        self._compose.run("up", "--detach", "--no-build", "--scale", f"worker-cpu={WORKERS}")
        job_id = self.submit(LONG)
        step = self.wait_for_step(job_id, MIDDLE)
        container = self.leasing_container(job_id)
        began_s = time.monotonic()
        docker("stop", "--time", str(GRACE_S), container)
        took_s = time.monotonic() - began_s
        code = docker("inspect", "--format", "{{.State.ExitCode}}", container)
        self._log(f"stopped {container} at step {step}: {took_s:.1f} s, exit code {code}")
        if code != "0":
            raise EngineError(f"a draining worker took {took_s:.1f} s and exited with {code}")
        job = self.wait_for_success(job_id)
        self.results["a draining worker exits after, s"] = round(took_s, 1)
        self.results["its exit code"] = int(code)
        self.results["attempts of the drained job"] = job.attempts
        self.results["the drained job's frames are the same"] = self.has_reference_frames(job_id)

    def check_after_restart(self) -> None:
        """Check that all earlier jobs and objects are available. Raises EngineError."""
        with self.client() as client:
            job_ids = {job.id for job in client.jobs() if job.status is JobState.SUCCEEDED}
        missing = set(self._digests) - job_ids
        if missing:
            raise EngineError(f"jobs are missing after the restart: {missing}")
        for job_id, before in list(self._digests.items()):
            if self.fetch(job_id) != before:
                raise EngineError(f"the video of {job_id} differs after the restart")
        self.results["jobs and videos available after the restart"] = len(self._digests)
        self.results["of them signed by the deployment's certificate"] = len(self._digests)

    def has_reference_frames(self, job_id: str) -> bool:
        """Check that the frames equal the reference. Raises EngineError if they differ.

        The files differ: each is signed with its job's id and the time.
        """
        if self.fetch(job_id).frames != self._frames:
            raise EngineError(f"the frames of {job_id} differ from the reference")
        return True

    def wait_for_step(self, job_id: str, step: int) -> int:
        """Wait until the job reaches a step; return the step that it is at."""
        with self.client() as client:

            def reached() -> int:
                now = client.job(job_id).progress
                return now.step if now.steps == LONG.num_inference_steps and now.step >= step else 0

            return wait_until(reached, f"step {step} of {job_id}", READY_S)

    def leasing_container(self, job_id: str) -> str:
        """Return the container whose worker holds the job's lease."""
        [valkey] = self._compose.containers("valkey")
        worker = docker("exec", valkey, "valkey-cli", "HGET", f"tcan:job:{job_id}", "worker")
        hosts = {
            str(one["Config"]["Hostname"]): str(one["Id"])[:12]
            for one in json.loads(docker("inspect", *self._compose.containers("worker-cpu")))
        }
        return hosts[worker.rsplit("-", 2)[0]]

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Log a step and record how long it takes."""
        self._log(what.removesuffix(", s"))
        began_s = time.monotonic()
        yield
        self.results[what] = round(time.monotonic() - began_s, 1)


def wait_until(probe: Callable[[], T], what: str, timeout_s: float) -> T:
    """Poll `probe` until it returns something true. Raises EngineError after the timeout."""
    deadline = time.monotonic() + timeout_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise EngineError(f"timeout after {timeout_s:g} s: {what}")
        time.sleep(0.1)
    return answer
