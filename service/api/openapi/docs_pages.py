"""GET /docs: Swagger UI from files of a package, so that it works without a network."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from service.contract.errors import ErrorCode
from service.errors import RejectedError

router = APIRouter(include_in_schema=False)

# The package fastapi-offline carries these files; nothing else of it is used.
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/docs")
async def get_docs() -> HTMLResponse:
    """The page."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="TCAN",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )


@router.get("/docs/{name}")
async def get_asset(name: str) -> Response:
    """A file of the page."""
    if name not in FILES:
        raise RejectedError(ErrorCode.NOT_FOUND, f"there is no {name!r} here")
    content = (resources.files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=FILES[name], headers={"Cache-Control": "max-age=86400"})
