"""GET /docs: Swagger UI with local files, so that it works offline.

Its links are relative, so that it works behind a proxy under a path too.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from functools import cache, lru_cache
from hashlib import sha256
from importlib import resources
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse

from service.api.dependencies import GatewayDep
from service.api.problems import NOT_FRAMED, OWN_WINDOW
from service.contract.errors import ErrorCode
from service.errors import RejectedError

router = APIRouter(include_in_schema=False)

INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# From the package fastapi-offline, of which nothing else is used.
FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


@router.get("/openapi.json")
async def get_document(request: Request) -> Response:
    """Return the OpenAPI document, compressed for callers that accept gzip."""
    plain, compressed = _document(request.app)
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(plain, media_type="application/json", headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(compressed, media_type="application/json", headers=headers)


# Everyone may ask for it, and to write it as JSON and to compress it takes some 20 ms.
@lru_cache(maxsize=1)
def _document(app: FastAPI) -> tuple[bytes, bytes]:
    plain = bytes(JSONResponse(app.openapi()).body)
    return plain, gzip.compress(plain)


@router.get("/docs")
async def get_docs(gateway: GatewayDep) -> HTMLResponse:
    """Return the page, which may load and call nothing but this service."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="TCAN",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon.png",
    )
    public = urlsplit(gateway.settings.public_url)
    service = f"{public.scheme}://{public.netloc}" if public.netloc else ""
    page.headers["Content-Security-Policy"] = _policy(bytes(page.body), service)
    page.headers.update(OWN_WINDOW)
    return page


def _policy(page: bytes, service: str) -> str:
    """Return the page's Content-Security-Policy.

    Args:
        service: origin of the service for callers, if it is not that of the page.
    """
    digests = [
        b64encode(sha256(script).digest()).decode() for script in INLINE_SCRIPT.findall(page)
    ]
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {scripts}",
            "style-src 'self' 'unsafe-inline'",  # Swagger UI sets styles of elements
            "img-src 'self' data: blob:",  # icons, and results that are shown
            "media-src blob:",
            f"connect-src 'self' {service}".rstrip(),
            "base-uri 'none'",
            "form-action 'none'",
            NOT_FRAMED,
        )
    )


@router.get("/docs/{name}")
async def get_asset(name: str) -> Response:
    """Return an asset of the page."""
    if name not in FILES:
        raise RejectedError(ErrorCode.NOT_FOUND, f"no such file: {name!r}")
    return Response(
        _asset(name), media_type=FILES[name], headers={"Cache-Control": "max-age=86400"}
    )


@cache
def _asset(name: str) -> bytes:
    return (resources.files("fastapi_offline") / "static" / name).read_bytes()
