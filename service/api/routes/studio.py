"""GET /studio: the built page of `studio/` in the package, and its examples."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from anyio import to_thread
from fastapi import APIRouter
from fastapi.responses import RedirectResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from service.api.dependencies import GatewayDep, get_gateway
from service.api.problems import NOT_FRAMED, OWN_WINDOW

FOLDER = Path(__file__).parents[2] / "studio"
PAGE = "index.html"
# Files with a digest of their content in their names never change.
HASHED, UNCHANGING = "assets/", "public, max-age=31536000, immutable"


class StudioFiles:
    """An ASGI app that serves the files of a folder, texts compressed.

    Args:
        folder: may be absent, in a build without the page; every file is 404 then.
    """

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)
        self._compressed = GZipMiddleware(self._serve)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file of the route's `path`, or with the page without one."""
        await self._compressed(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path_params"].get("path", PAGE))
        response = await self._files.get_response(path, scope)
        response.headers["Cache-Control"] = UNCHANGING if path.startswith(HASHED) else "no-cache"
        response.headers["Content-Security-Policy"] = await _policy(Request(scope))
        response.headers.update(OWN_WINDOW)
        await response(scope, receive, send)


async def _policy(request: Request) -> str:
    """Return the page's Content-Security-Policy.

    The page may load nothing but files of this service, and results where signed links lead to.
    """
    gateway = await get_gateway(request)
    link = await to_thread.run_sync(partial(gateway.objects.link, "jobs/x", "x"))
    parts = urlsplit(link)
    store = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' blob:{store}",
            f"media-src 'self' blob:{store}",
            f"connect-src 'self'{store}",
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            NOT_FRAMED,
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def studio_routes(folder: Path) -> list[BaseRoute]:
    """Return the routes of the page in a folder; see `StudioFiles`."""
    files = StudioFiles(folder)
    return [
        Route("/studio", files, methods=["GET"], name="get_studio"),
        Route("/studio/{path:path}", files, methods=["GET"], name="get_studio_file"),
    ]


router = APIRouter(include_in_schema=False, routes=studio_routes(FOLDER))


@router.get("/", status_code=307)
async def get_root(gateway: GatewayDep) -> RedirectResponse:
    """Redirect to the studio."""
    return RedirectResponse(f"{gateway.settings.public_url}/studio")
