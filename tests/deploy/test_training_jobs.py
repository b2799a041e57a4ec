"""The Kubernetes jobs of training: valid for the API, and true to the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from tcan_core.config import load_config
from tcan_core.training.__main__ import main
from tcan_core.training.ranges import check_ranges
from tcan_core.training.stages import STAGES, find_config
from tests.tcan_core.training.torchrun import JOBS, command_line, container, read_job

KINDS = ("one-node", "several-nodes")
KUBERNETES = "1.31"


def manifests(repository: Path) -> dict[str, Any]:
    """Every resource by its path, without kustomize's own files."""
    files = sorted((repository / JOBS).rglob("*.yaml"))
    read = {
        str(file.relative_to(repository / JOBS)): yaml.safe_load(file.read_text()) for file in files
    }
    return {path: one for path, one in read.items() if one.get("kind") in ("Job", "Service")}


def test_manifests_are_valid(repository: Path) -> None:
    files = manifests(repository)
    assert set(files) == {
        "one-node/job.yaml", "several-nodes/job.yaml", "several-nodes/service.yaml",
    }  # fmt: skip
    for manifest in files.values():
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_kustomizations_name_existing_files(repository: Path) -> None:
    for folder in ("base", *KINDS):
        path = repository / JOBS / folder
        content = yaml.safe_load((path / "kustomization.yaml").read_text())
        made = [file for one in content.get("configMapGenerator", ()) for file in one["files"]]
        named = {*content.get("resources", ()), *made}
        assert named and all((path / name).exists() for name in named)
        files = {file.name for file in path.glob("*.yaml")} - {"kustomization.yaml"}
        assert files == {name for name in named if name.endswith(".yaml")}


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_shipped_configurations_are_those_of_the_stages(repository: Path, stage: str) -> None:
    path = repository / JOBS / "base" / f"{stage}.yaml"
    config: Any = load_config(path, STAGES[stage][0])
    check_ranges(config, str(path))

    shipped: Any = load_config(find_config(f"sd15/{stage}"), STAGES[stage][0])
    assert config.optimizer == shipped.optimizer
    assert (config.run.steps, config.run.batch_size) == (shipped.run.steps, shipped.run.batch_size)
    assert config.run.remote.startswith("s3://") and config.validation.shards.split == "validation"


@pytest.mark.parametrize("kind", KINDS)
def test_preemption_costs_no_attempt_and_a_bad_configuration_ends_the_job(
    repository: Path, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = read_job(repository, kind)
    rules = {rule["action"]: rule for rule in job["spec"]["podFailurePolicy"]["rules"]}
    assert rules["Ignore"]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    refused = rules["FailJob"]["onExitCodes"]
    bad = tmp_path / "bad.yaml"
    bad.write_text("preset: mini\nrun: {output: o, export: e, steps: 0, batch_size: 1}\n")
    check = container(job, refused["containerName"])
    (python, *module), words = (
        check["command"][:3],
        command_line(check, STAGE_CONFIG=str(bad))[0][3:],
    )
    assert (python, module) == ("python", ["-m", "tcan_core.training"])

    assert main(words) in refused["values"]
    assert capsys.readouterr().err.startswith(f"error: {bad}: ")
    bad.write_text(bad.read_text().replace("steps: 0", "steps: 1") + "data: {characters: 1}\n")
    assert main(words) == 0 and list(tmp_path.iterdir()) == [bad]


@pytest.mark.parametrize("kind", KINDS)
def test_pods_have_time_to_stop_gracefully(repository: Path, kind: str) -> None:
    job = read_job(repository, kind)
    pod = job["spec"]["template"]["spec"]
    train = container(job, "train")

    [patience] = [word for word in train["command"] if word.startswith("--shutdown-timeout=")]
    assert int(patience.split("=")[1]) < pod["terminationGracePeriodSeconds"]
    assert "--resume" in train["command"] and pod["restartPolicy"] == "Never"
    assert {"cpu", "memory"} <= set(train["resources"]["requests"])
    assert train["envFrom"] == [{"secretRef": {"name": "tcan-s3"}}]


def test_several_nodes_find_the_first(repository: Path) -> None:
    files = manifests(repository)
    service, job = files["several-nodes/service.yaml"], files["several-nodes/job.yaml"]
    spec, pod = job["spec"], job["spec"]["template"]
    environment = {one["name"]: one.get("value") for one in container(job, "train")["env"]}

    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["subdomain"] == service["metadata"]["name"]
    assert spec["completionMode"] == "Indexed"
    assert str(spec["completions"]) == str(spec["parallelism"]) == environment["NNODES"]
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert environment["MASTER_ADDR"] == first
    assert str(service["spec"]["ports"][0]["port"]) == environment["MASTER_PORT"]
