"""Generate reference pages of the documentation from the code, as JSON: page -> Markdown.

    .venv/bin/python tools/docs_reference.py

`docs/mkdocs_hooks.py` calls it while the site is built, so these pages are always up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.cli import get_docs_for_click

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

MANY_ROUTES = 10
TYPE_NAMES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
    ByteSize: "size",
}
# Settings in the order of the page; a setting in no group is an error.
GROUPS = {
    "Stores": "data redis_url s3_bucket s3_endpoint_url s3_public_endpoint_url s3_ca s3_region "
    "s3_access_key s3_secret_key s3_timeout_s",
    "Model": "preset weights device devices detector memory_limit",
    "Model runtime": "runtime",
    "Input limits": "limits fetch_timeout_s spool_bytes",
    "Connections": "http",
    "Jobs and workers": "lease_ms checkpoint_s stalled_s max_attempts hint_age_ms link_ttl_s",
    "Access and policy": "public_url cors_origins anonymous metrics_token public_metrics "
    "outbound_allow policy require_consent",
    "Webhooks": "webhook_key webhook_ed25519_keys",
    "Provenance": "c2pa c2pa_cert c2pa_key watermark watermark_key",
    "Telemetry": "log_level otlp_endpoint",
}


def main() -> None:
    """Print all pages."""
    routes = _openapi()
    pages = {
        "reference/errors.md": errors_page(routes),
        "reference/routes.md": routes_page(routes),
        "reference/settings.md": settings_page(),
        "reference/commands.md": commands_page(),
    }
    json.dump(pages, sys.stdout)


def errors_page(openapi: Mapping[str, Any]) -> str:
    """Return the page of error codes, with the routes that may answer each."""
    from service.contract.errors import ErrorCode

    routes: dict[str, list[str]] = {code: [] for code in ErrorCode}
    for method, path, operation in _operations(openapi):
        for response in operation["responses"].values():
            problem = response.get("content", {}).get("application/problem+json", {})
            for code in problem.get("examples", {}):
                routes[code].append(f"`{method} {path}`")
    rows = [
        f"| `{code.value}` | {code.http_status} | {code.problem_title} | "
        f"{_route_list(routes[code])} |"
        for code in sorted(ErrorCode)
    ]
    return "\n".join(
        [
            "# API errors by code",
            "",
            "Errors are `application/problem+json` (RFC 9457): `code`, `title`, `status` and a "
            "`detail` with the value and what is allowed. A failed job has `code`, `title` and "
            "`detail` in its `error`. Codes never change their meaning.",
            "",
            "| code | status | title | routes |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def routes_page(openapi: Mapping[str, Any]) -> str:
    """Return the page of HTTP routes."""
    rows = [
        f"| `{method} {path}` | {operation['summary']} | "
        f"{', '.join(sorted(operation['responses']))} |"
        for method, path, operation in _operations(openapi)
    ]
    return "\n".join(
        [
            "# HTTP routes",
            "",
            "A running service has the whole OpenAPI document at `/openapi.json` and a browsable "
            "form at `/docs`.",
            "",
            "| route | purpose | statuses |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def settings_page(groups: Mapping[str, str] = GROUPS) -> str:
    """Return the page of settings by group.

    Raises:
        ValueError: a setting is in no group, or a group names an unknown setting.
    """
    from service.settings import PREFIX, Settings

    grouped = [name for names in groups.values() for name in names.split()]
    if sorted(grouped) != sorted(Settings.model_fields):
        difference = set(grouped) ^ set(Settings.model_fields)
        raise ValueError(f"GROUPS in tools/docs_reference.py: correct {sorted(difference)}")
    lines = [
        "# Settings by group",
        "",
        "Environment variables of gateways and workers. An empty variable counts as unset. "
        "[Weights](../weights.md) lists those of the models folder, "
        "[the command line](../command-line.md) those of clients.",
    ]
    for title, names in groups.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| variable | type | default | meaning |",
            "|---|---|---|---|",
        ]
        for name in names.split():
            lines += _rows(PREFIX + name.upper(), Settings.model_fields[name])
    return "\n".join([*lines, ""])


def commands_page() -> str:
    """Return the page of commands and options."""
    command = typer.main.get_command(build_cli())
    text = get_docs_for_click(
        obj=command,
        ctx=typer.Context(command, info_name="tcan"),
        name="tcan",
        title="Commands and options",
    )
    return text.replace("```console", "```text")


def build_cli() -> typer.Typer:
    """Return the command line with all its commands; `tcan` itself loads one at a time."""
    from cli.main import COMMANDS

    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.callback()(lambda: None)
    for command in COMMANDS:
        command.add_to(app)
    return app


def _openapi() -> dict[str, Any]:
    from service.api.app import create_app
    from service.settings import Settings

    return create_app(Settings()).openapi()


def _operations(openapi: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _route_list(routes: list[str]) -> str:
    if len(routes) > MANY_ROUTES:
        return "most routes"
    return "<br>".join(routes) or "failed jobs, refused connections"


def _rows(variable: str, field: FieldInfo) -> Iterator[str]:
    """Yield the rows of a setting; a nested model gives one row per field."""
    kind = field.annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, inner in kind.model_fields.items():
            yield from _rows(f"{variable}__{name.upper()}", inner)
        return
    default = None if field.default is PydanticUndefined else field.default
    default_text = "" if default is None or default == "" else f"`{_text(default)}`"
    yield f"| `{variable}` | {_type_name(kind)} | {default_text} | {field.description or ''} |"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return _type_name(next(one for one in get_args(kind) if one is not type(None)))
    return TYPE_NAMES.get(kind, getattr(kind, "__name__", str(kind)))


if __name__ == "__main__":
    main()
