"""The HTTP API: the app, dependencies, problems, routes, middleware and the OpenAPI document."""
