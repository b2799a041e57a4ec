"""Properties of openapi.json that generators of clients need; `make check` runs the generators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from service.api.app import create_app
from service.contract.delivery_views import WebhookMessage
from service.contract.params import JobParams
from service.contract.webhooks import WebhookEvent
from service.settings import Settings

REQUEST_MODELS = (
    "JobParams",
    "PosesParams",
    "JobOptions",
    "AnimationRequest",
    "PosePreviewRequest",
    "UploadRequest",
)


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of all paths and webhooks."""
    items = [*document["paths"].values(), *document["webhooks"].values()]
    return [operation for item in items for operation in item.values()]


def errors(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """Return why a value does not match a schema."""
    whole = schema | {"components": document["components"]}
    validator = jsonschema_rs.validator_for(whole, validate_formats=True)
    return [error.message for error in validator.iter_errors(value)]


@pytest.mark.parametrize("model", REQUEST_MODELS)
def test_request_fields_are_optional(document: dict[str, Any], model: str) -> None:
    schema = document["components"]["schemas"][model]
    assert "required" not in schema
    # openapi-typescript makes a field with a default mandatory.
    assert [name for name, field in schema["properties"].items() if "default" in field] == []


def test_defaults_are_stated_in_words(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["JobParams"]["properties"]
    defaults = {name: field.default for name, field in JobParams.model_fields.items()}
    for name, default in defaults.items():
        stated = f"Default: `{json.dumps(default)}`." in fields[name]["description"]
        assert stated is (default is not None), name


def test_parameters_are_never_null(document: dict[str, Any]) -> None:
    parameters = [each for one in operations(document) for each in one.get("parameters", ())]
    assert len(parameters) > 20
    assert [each["name"] for each in parameters if "null" in json.dumps(each["schema"])] == []


def test_document_names_server_and_license(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/"}]
    assert document["info"]["license"]["name"] == "Apache 2.0"


def test_server_is_the_public_url_where_one_is_set(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", public_url="https://tcan.example")
    assert create_app(settings).openapi()["servers"] == [{"url": "https://tcan.example"}]


def test_each_operation_has_summary_known_tag_and_security(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    used = set()
    for operation in operations(document):
        assert operation["summary"] and "security" in operation, operation["operationId"]
        used |= set(operation["tags"])
    assert used == tags


def test_results_are_described_as_redirect_and_object(document: dict[str, Any]) -> None:
    responses = document["paths"]["/jobs/{job_id}/result"]["get"]["responses"]
    assert {"200", "307"} <= set(responses)
    assert set(responses["200"]["content"]) >= {
        "video/mp4",
        "video/webm",
        "image/gif",
        "application/zip",
    }


def test_each_webhook_event_is_described_with_an_example(document: dict[str, Any]) -> None:
    assert list(document["webhooks"]) == list(WebhookEvent)
    for event, item in document["webhooks"].items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        assert content["example"]["type"] == event
        assert errors(document, content["schema"], content["example"]) == []
        assert WebhookMessage.model_validate(content["example"]).data.id


def test_examples_of_request_bodies_match_their_schemas(document: dict[str, Any]) -> None:
    checked = set()
    for operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            assert errors(document, content["schema"], content["example"]) == []
            checked.add((operation["operationId"], media_type))
    assert ("animate", "multipart/form-data") in checked
