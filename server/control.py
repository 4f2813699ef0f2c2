"""The line between the supervisor and a worker: JSON objects, one a line, over a socket pair."""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any


class Channel:
    """One end; the other end's death shows as the end of what is received."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._rest = b""

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._end.fileno()

    def send(self, **message: Any) -> None:
        """Send one message; a dead peer is no error here, it shows in ``receive``."""
        with contextlib.suppress(OSError):
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for bytes and return the messages that are whole; None when the peer is gone."""
        try:
            data = self._end.recv(65536)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        self._end.close()
