"""Authentication and authorization: API keys, scopes, anonymous access and rate limits."""
