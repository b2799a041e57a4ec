"""Repeated and unknown query parameters."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from service.submission.field_problems import MAX_PROBLEMS


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/jobs?limit=1&limit=2", "limit"),
        ("/jobs?status=queued&created_after=2026-01-01T00:00:00Z&created_after=x", "created_after"),
        ("/jobs/8f14e45fceea467a9575ecb2d1f6a0aa/events?after=0&after=0", "after"),
        ("/objects/jobs/a?filename=x&expires=1&signature=00&signature=11", "signature"),
    ],
)
def test_repeated_parameter_is_refused(client: TestClient, path: str, name: str) -> None:
    answer = client.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["errors"] == [
        {"field": f"query.{name}", "detail": "was sent 2 times; send it once"}
    ]


def test_repeated_list_is_accepted(client: TestClient) -> None:
    assert client.get("/jobs?status=queued&status=running&limit=3").status_code == 200


UNKNOWN = [
    ("GET", "/jobs?sttus=queued", "sttus", "did you mean 'status'?; allowed are status, "),
    ("GET", "/jobs?pagesize=2&pagesize=3", "pagesize", "no such parameter; allowed are"),
    ("GET", "/healthz?x=1", "x", "this route has none"),
    ("POST", "/animate?seed=7", "seed", "this route has none"),
    ("POST", "/webhooks/secret/rotate?overlap=5", "overlap", "did you mean 'overlap_s'?"),
    ("GET", "/openapi.json?v=1", "v", "this route has none"),
    ("GET", "/docs?theme=dark", "theme", "this route has none"),
]


def test_unknown_parameter_is_refused_with_the_nearest_name(client: TestClient) -> None:
    for method, path, field, says in UNKNOWN:
        answer = client.request(method, path)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "invalid_request")
        [error] = problem["errors"]
        assert error["field"] == f"query.{field}"
        assert says in error["detail"]


def test_problems_of_many_parameters_are_not_all_listed(client: TestClient) -> None:
    answer = client.get("/healthz?" + "&".join(f"x{number}" for number in range(5000)))
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == MAX_PROBLEMS
