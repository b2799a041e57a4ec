"""Listening sockets of `tcan up` and `tcan gateway`."""

from __future__ import annotations

import os
import socket

from service.errors import SettingsError


def listen(host: str, port: int) -> socket.socket:
    """Listen before anything starts, so that a port in use is reported at once.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        is_unknown = isinstance(error, socket.gaierror)
        reason = "unknown host" if is_unknown else os.strerror(error.errno or 0)
        option = "--host" if is_unknown else "--port"
        raise SettingsError(
            f"cannot listen on {host} port {port} ({reason}); choose another {option}"
        ) from error
