"""The routes that are asked most, served without FastAPI's router and its dependencies.

FastAPI spends more on a request than such a route needs for its work. A `LaneRoute` is declared and
documented like any other, and its function gets the same values; a test holds the two ways
together. Whatever does not fit a lane exactly (another method, a mounted app, overridden
dependencies) goes the usual way.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import answer_to
from service.errors import ServiceError

Handler = Callable[[Request], Awaitable[Response]]


class LaneRoute(APIRoute):
    """A route of plain text parameters whose function returns the response itself."""


class Lanes:
    """The app with its `LaneRoute`s served directly.

    Args:
        routes: the app's routes, as their routers hold them.
        documented: has the dependencies that tests may override.
    """

    def __init__(self, app: ASGIApp, routes: list[LaneRoute], documented: FastAPI) -> None:
        self._app = app
        self._documented = documented
        self._lanes = [
            (method, route, handler_of(route)) for route in routes for method in route.methods or ()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        found = self._find(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        route, handler = found
        scope["route"] = route
        request = Request(scope, receive, send)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            response = await handler(request)
            await response(scope, receive, answer)
        except (ServiceError, ClientDisconnect) as error:
            if begun:
                raise
            await answer_to(request, error)(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[LaneRoute, Handler] | None:
        if scope["type"] != "http" or scope.get("root_path"):
            return None
        if self._documented.dependency_overrides:
            return None
        for method, route, handler in self._lanes:
            if method == scope["method"] and (found := route.path_regex.match(scope["path"])):
                scope["path_params"] = found.groupdict()
                return route, handler
        return None


def handler_of(route: LaneRoute) -> Handler:
    """Calls the route's function with what its signature asks for.

    Raises:
        TypeError: it asks for what a lane does not know.
    """
    dependant, endpoint = route.dependant, route.endpoint
    if dependant.query_params or dependant.cookie_params or dependant.body_params:
        raise TypeError(f"{route.path}: a lane has no query, cookies or parsed body")
    paths = [(field.name, field.alias) for field in dependant.path_params]
    headers = [(field.name, field.alias) for field in dependant.header_params]
    given = [(each.name or "", _dependency(each.call)) for each in dependant.dependencies]
    wants_request = dependant.request_param_name

    async def handler(request: Request) -> Response:
        values: dict[str, Any] = {name: request.path_params[alias] for name, alias in paths}
        for name, alias in headers:
            values[name] = request.headers.get(alias)
        for name, get in given:
            value = get(request)
            values[name] = await value if inspect.isawaitable(value) else value
        if wants_request is not None:
            values[wants_request] = request
        response = await endpoint(**values)
        assert isinstance(response, Response)
        return response

    return handler


def _dependency(call: Callable[..., Any] | None) -> Callable[[Request], Any]:
    """A dependency that takes the request or nothing, as a function of the request."""
    assert call is not None
    names = list(inspect.signature(call).parameters)
    if names == ["request"]:
        return call
    if names:
        raise TypeError(f"{call.__qualname__}: a lane's dependency takes the request or nothing")
    return lambda _: call()
