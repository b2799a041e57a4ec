"""The operator's policy, and required consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.job import JobRecord, Output
from service.errors import SettingsError
from service.policy import PolicyRefusalError, PolicyRequest, load_policy
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tests import samples
from tests.worker.paint import PaintAnimator
from worker.animation import Rendering
from worker.outputs.manifest import make_manifest

IMAGE, POSES = samples.png(), samples.poses(3)
FILES = {"image": ("i", IMAGE), "driving": ("d", POSES)}
HERE = "tests.service.jobs.test_policy"


class Cast:
    """Refuses jobs without consent; fails on the consent "bugs"."""

    seen: ClassVar[list[PolicyRequest]] = []
    sizes: ClassVar[list[dict[str, int]]] = []

    def judge(self, asked: PolicyRequest) -> None:
        sizes = {
            name: len(content if isinstance(content, bytes) else content.read_bytes())
            for name, content in asked.files.items()
        }
        self.seen.append(asked)
        self.sizes.append(sizes)
        if asked.consent == "bugs":
            raise ValueError("a secret of the policy")
        if asked.consent is None:
            raise PolicyRefusalError("no_release", "the cast's releases are missing")


NO_POLICY = object()


def with_settings(settings: Settings, **changes: Any) -> TestClient:
    """Return a gateway with changed settings."""
    app = create_app(settings.model_copy(update=changes))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def judged(folder_settings: Settings) -> Any:
    Cast.seen.clear()
    Cast.sizes.clear()
    with with_settings(folder_settings, policy=f"{HERE}:Cast") as client:
        yield client


def test_policy_receives_the_job_and_can_refuse_it(
    judged: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    refused = judged.post("/animate", files=FILES)
    assert refused.status_code == 403
    assert refused.json()["code"] == "policy_refused"
    assert refused.json()["reason"] == "no_release"
    assert refused.json()["detail"] == "the cast's releases are missing"
    [request] = Cast.seen
    assert (request.caller, request.kind) == ("anonymous", "animate")
    assert Cast.sizes == [{"image": len(IMAGE), "driving": len(POSES)}]
    files = [file for file in folder_settings.data.rglob("*") if file.is_file()]
    assert [file for file in files if "objects" in file.parts or "spool" in file.parts] == []
    assert jobs.redis.keys("tcan:job:*") == []
    agreed = {"options": '{"consent": "release 7"}'}
    assert judged.post("/animate", files=FILES, data=agreed).status_code == 202


def test_policy_receives_uploads_on_every_submission(judged: TestClient) -> None:
    ids = {}
    for name, content in (("image", IMAGE), ("driving", POSES)):
        form = judged.post("/uploads").json()
        judged.post(form["url"], data=form["fields"], files={"file": ("f", content)})
        ids[f"{name}_upload"] = form["id"]
    for _ in range(2):
        body = {**ids, "options": {"consent": "release 7"}}
        assert judged.post("/animate", json=body).status_code == 202
    assert Cast.sizes == [{"image": len(IMAGE), "driving": len(POSES)}] * 2


def test_policy_error_refuses_the_job_without_details(judged: TestClient, jobs: JobStore) -> None:
    answer = judged.post("/animate", files=FILES, data={"options": '{"consent": "bugs"}'})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert jobs.redis.keys("tcan:job:*") == []


@pytest.mark.parametrize("name", ["nowhere:x", f"{HERE}:Nobody", f"{HERE}:NO_POLICY", HERE, ""])
def test_invalid_policy_setting_is_reported(name: str) -> None:
    with pytest.raises(SettingsError, match="TCAN_POLICY"):
        load_policy(name)


def test_required_consent_is_enforced_and_copied_to_the_manifest(
    folder_settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    with with_settings(folder_settings, require_consent=True) as client:
        for options in ("{}", '{"consent": "  "}'):
            refused = client.post("/animate", files=FILES, data={"options": options})
            assert (refused.status_code, refused.json()["code"]) == (422, "consent_required")
        agreed = {"options": '{"consent": "release 7"}'}
        made = client.post("/animate", files=FILES, data=agreed).json()
        assert made["options"]["consent"] == "release 7"
        assert client.post("/poses", files={"driving": FILES["driving"]}).status_code == 202
    assert manifest(jobs, made["id"])["consent"] == {"declared": "release 7", "by": "anonymous"}


def test_manifest_has_no_consent_unless_declared(client: TestClient, jobs: JobStore) -> None:
    made = client.post("/animate", files=FILES).json()
    assert "consent" not in manifest(jobs, made["id"])


def manifest(jobs: JobStore, job_id: str) -> dict[str, Any]:
    """Return the manifest that a worker would write."""
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None and isinstance(snapshot.record, JobRecord)
    rendering = Rendering({Output.RESULT: Path("x")}, report={}, warnings=[])
    return make_manifest(snapshot.record, rendering, PaintAnimator().describe(), {}, {}, None, {})
