"""Security schemes of the OpenAPI document: two ways to send an API key."""

from __future__ import annotations

SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key from `tcan keys create`.",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same API key in a header.",
    },
}
NO_SCOPES: list[str] = []
# One of them, or none, since local access may need no key.
SECURITY = [*({name: NO_SCOPES} for name in SCHEMES), {}]
