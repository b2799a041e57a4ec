"""The documentation's generated pages and the check of what it mentions."""

from __future__ import annotations

from typing import Any

import pytest

from service.contract.errors import ErrorCode
from service.settings import Settings
from tools import docs_reference
from tools.check_docs import check_page


def test_settings_page_has_every_setting() -> None:
    page = docs_reference.settings_page()
    plain = [name for name in Settings.model_fields if name not in ("http", "limits", "runtime")]
    assert [name for name in plain if f"`TCAN_{name.upper()}`" not in page] == []
    assert "`TCAN_LIMITS__MAX_FRAMES`" in page
    assert "`TCAN_RUNTIME__DTYPE`" in page
    assert "`TCAN_HTTP__CONNECTIONS`" in page


def test_setting_without_a_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="redis_url"):
        docs_reference.settings_page({"Stores": "data"})


def test_errors_page_has_every_code_with_its_routes() -> None:
    operation: dict[str, Any] = {
        "responses": {
            "404": {"content": {"application/problem+json": {"examples": {"job_not_found": {}}}}}
        }
    }
    page = docs_reference.errors_page({"paths": {"/jobs/{job_id}": {"get": operation}}})
    assert [code for code in ErrorCode if f"| `{code.value}` |" not in page] == []
    assert "| `job_not_found` | 404 |" in page
    assert "`GET /jobs/{job_id}` |" in page


def test_commands_page_has_nested_commands() -> None:
    assert "## `tcan models`" in docs_reference.commands_page()
    assert "### `tcan models pull`" in docs_reference.commands_page()


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("See `service/nothing.py`.", "no file service/nothing.py"),
        ("Run `make nothing`.", "no target: make nothing"),
        ("Run `python -m cli.nothing`.", "no module cli.nothing"),
        ("Set `TCAN_NOTHING=1`.", "no setting TCAN_NOTHING"),
        ("```sh\ntcan models nothing\n```", "no command: tcan ... nothing"),
        ("```sh\n.venv/bin/tcan up --nothing\n```", "no option --nothing of tcan up"),
    ],
)
def test_page_that_mentions_a_missing_name_is_reported(text: str, finding: str) -> None:
    assert check_page("page.md", text) == [f"page.md: {finding}"]


def test_page_that_mentions_existing_names_has_no_findings() -> None:
    text = "`service/settings.py`, `make test`, `python -m cli.main`, `TCAN_LIMITS__MAX_FRAMES`,\n"
    text += "`tcan models pull sd15 && tcan up --port 9000`, `runs/x.yaml`, service/nothing.py"
    assert check_page("page.md", text) == []
