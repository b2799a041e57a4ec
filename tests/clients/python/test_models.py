"""The client's models agree with the API's schema, and accept what a newer service sends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.contract import events, examples, job
from service.settings import Settings
from tcan_client import EventKind, Job, JobState, Output
from tcan_client.base import Model
from tcan_client.models import (
    DeliveryList,
    JobList,
    JobLog,
    ModelList,
    Secrets,
    UploadForm,
    UploadList,
    Usage,
)
from tcan_client.params import JobOptions, JobParams

NAMES: dict[str, type[Model]] = {
    "DeliveryList": DeliveryList,
    "JobList": JobList,
    "JobLog": JobLog,
    "JobOptions": JobOptions,
    "JobParams": JobParams,
    "JobView": Job,
    "ModelList": ModelList,
    "Secrets": Secrets,
    "UploadList": UploadList,
    "UploadView": UploadForm,
    "Usage": Usage,
}


@pytest.fixture(scope="module")
def components(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The schemas of the API."""
    app = create_app(Settings(data=tmp_path_factory.mktemp("data")))
    schemas: dict[str, Any] = app.openapi()["components"]["schemas"]
    return schemas


def shape(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> object:
    """Return a schema's structure, without references, null, limits and descriptions."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # The client has no list of codes, which grows with each release.
        return "string" if name == "ErrorCode" else shape(definitions[name], definitions)
    if "anyOf" in schema:
        [one] = [entry for entry in schema["anyOf"] if entry != {"type": "null"}]
        return shape(one, definitions)
    if "enum" in schema:
        return frozenset(schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    [kind] = [one for one in kinds if one != "null"]
    if "properties" in schema:
        required = schema.get("required", [])
        return {
            (name, name in required): shape(entry, definitions)
            for name, entry in schema["properties"].items()
        }
    inner = schema.get("items", schema.get("additionalProperties"))
    if isinstance(inner, Mapping):
        return kind, shape(inner, definitions)
    return (kind, schema["format"]) if schema.get("format") == "date-time" else kind


@pytest.mark.parametrize("name", NAMES)
def test_model_has_fields_types_and_enums_of_the_schema(
    name: str, components: Mapping[str, Any]
) -> None:
    own = NAMES[name].model_json_schema(ref_template="{model}")
    assert shape(own, own.get("$defs", {})) == shape(components[name], components)


@pytest.mark.parametrize(
    ("own", "of_service"), [(EventKind, events.EventKind), (Output, job.Output)]
)
def test_enum_outside_the_schema_has_the_values_of_the_service(
    own: type[StrEnum], of_service: type[StrEnum]
) -> None:
    assert {str(one) for one in own} == {str(one) for one in of_service}


def test_job_of_a_newer_service_is_read() -> None:
    newer = {**examples.JOB, "status": "paused", "mood": "calm"}
    newer["params"] = {**examples.JOB["params"], "scheduler": "euler"}
    read = Job.model_validate(newer)
    assert (str(read.status), read.params.scheduler) == ("paused", "euler")
    assert read.status == JobState("paused")
    assert read.model_extra == {"mood": "calm"}
    assert '"mood":"calm"' in read.model_dump_json()
    assert list(JobState) == ["queued", "preparing", "running", "succeeded", "failed", "canceled"]


def test_package_carries_its_types(repository: Path) -> None:
    assert (repository / "clients/python/tcan_client/py.typed").exists()
