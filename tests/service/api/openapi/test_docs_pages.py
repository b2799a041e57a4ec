"""The OpenAPI document as it is served, and the page that shows it."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from service.contract.params import JobParams
from tests.service.api.test_api import PROBLEM, expect_problem


def test_openapi_document_contains_parameters_and_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    operation = document["paths"]["/animate"]["post"]
    body = operation["requestBody"]["content"]
    form = body["multipart/form-data"]["schema"]["properties"]
    assert form["params"] == {"$ref": "#/components/schemas/JobParams"}
    assert set(schemas["JobParams"]["properties"]) == set(JobParams.model_fields)
    assert all(entry["description"] for entry in schemas["JobParams"]["properties"].values())
    assert set(schemas["AnimationRequest"]["properties"]) >= {"image_url", "driving_upload"}
    assert "HTTPValidationError" not in schemas
    too_large = operation["responses"]["413"]["content"][PROBLEM]
    assert too_large["examples"]["body_too_large"]["value"]["code"] == "body_too_large"
    names = [op["operationId"] for path in document["paths"].values() for op in path.values()]
    assert len(set(names)) == len(names)


def test_documentation_page_works_offline(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text and "https://" not in page.text
    # Relative, for a proxy that serves it under a path.
    names = re.findall(r"""(?:href|src)="([^"]+)"|url: '([^']+)'""", page.text)
    assert len(names) == 4
    for name in map("".join, names):
        assert not name.startswith("/")
        assert client.get(str(page.url.join(name))).status_code == 200
    expect_problem(client.get("/docs/other.js"), 404, "not_found")


def test_openapi_document_is_compressed_for_callers_that_accept_it(client: TestClient) -> None:
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    compressed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content == plain.content
    assert compressed.num_bytes_downloaded < len(plain.content) / 4
