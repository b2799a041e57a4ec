"""openapi.json has an example of each response that matches its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

from service.api.openapi.object_responses import BINARY
from service.contract.errors import ErrorCode

PROBLEM = "application/problem+json"
# Answers without a body that could be shown: none at all, or the bytes of an object.
BARE = {
    ("post", "/objects", "204"),
    ("post", "/uploads/{upload_id}/join", "204"),
    ("delete", "/jobs/{job_id}", "204"),
    ("delete", "/uploads/{upload_id}", "204"),
    ("delete", "/studio/session", "204"),
    ("get", "/jobs/{job_id}/events", "204"),
    ("get", "/objects/{key}", "200"),
}
NONE: dict[str, Any] = {"examples": {}}
Answer = tuple[str, str, str, dict[str, Any]]


def answers(document: dict[str, Any]) -> Iterator[Answer]:
    """Yield each response of each route: method, path, status, description."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                yield method, path, status, answer


def shown(document: dict[str, Any], described: dict[str, Any]) -> list[Any]:
    """Return the examples of a body, or of its schema."""
    if "examples" in described:
        return [example["value"] for example in described["examples"].values()]
    if "example" in described:
        return [described["example"]]
    name = described["schema"].get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return [schema["example"]] if "example" in schema else []


def test_every_route_has_an_example_of_success(document: dict[str, Any]) -> None:
    bare, successes = set(), 0
    for method, path, status, answer in answers(document):
        if status[0] not in "23":
            continue
        successes += 1
        if status == "307":
            assert answer["headers"]["Location"]["example"].startswith("/objects/jobs/")
        elif not answer.get("content"):
            bare.add((method, path, status))
        for described in answer.get("content", {}).values():
            assert described == BINARY or shown(document, described), (method, path, status)
    assert bare == BARE
    assert successes > 20


def test_examples_match_their_schemas(document: dict[str, Any]) -> None:
    checked = 0
    for method, path, status, answer in answers(document):
        for media_type, described in answer.get("content", {}).items():
            if not media_type.endswith("json"):
                continue
            schema = described["schema"] | {"components": document["components"]}
            for example in shown(document, described):
                validator = jsonschema_rs.validator_for(schema, validate_formats=True)
                errors = [error.message for error in validator.iter_errors(example)]
                assert errors == [], (method, path, status)
                assert unknown_fields(document, described["schema"], example) == set()
                checked += 1
    assert checked > 100


def unknown_fields(document: dict[str, Any], schema: dict[str, Any], example: Any) -> set[str]:
    """Return the fields of an example that are not in its schema."""
    if "$ref" not in schema:
        return set()
    properties = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    return set(example) - set(properties)


def test_each_error_code_has_one_example(document: dict[str, Any]) -> None:
    said: dict[str, set[str]] = {}
    for _, _, status, answer in answers(document):
        for name, example in answer.get("content", {}).get(PROBLEM, NONE)["examples"].items():
            value = example["value"]
            assert (value["code"], value["status"]) == (name, int(status))
            said.setdefault(name, set()).add(value["detail"])
    assert all(len(details) == 1 for details in said.values())
    assert len({detail for details in said.values() for detail in details}) == len(said)


def test_every_error_of_an_input_is_documented(document: dict[str, Any], repository: Path) -> None:
    looks = [
        repository / "service/jobs/inputs.py",
        *(repository / "service/inspection").glob("*.py"),
    ]
    looks += (repository / "service/submission").glob("*.py")
    text = "".join(file.read_text("utf-8") for file in looks)
    raised = {ErrorCode[name] for name in re.findall(r"ErrorCode\.([A-Z_]+)", text)}
    assert len(raised) > 15
    of_retries = {ErrorCode.INPUTS_ERASED}
    for path in ("/animate", "/poses", "/jobs/{job_id}/retry"):
        documented = {
            name
            for _, at, _, answer in answers(document)
            for name in answer.get("content", {}).get(PROBLEM, NONE)["examples"]
            if at == path
        }
        assert raised - documented <= of_retries
        assert of_retries <= documented or not path.endswith("/retry")


def test_event_example_contains_the_job(document: dict[str, Any]) -> None:
    stream = document["paths"]["/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    event = stream["text/event-stream"]["example"]
    job = json.loads(event["data"])
    assert job == document["components"]["schemas"]["JobView"]["example"]
    assert event["id"] == str(job["version"])
