"""How inputs reach the gateway: in the request, from a URL, from an upload."""
