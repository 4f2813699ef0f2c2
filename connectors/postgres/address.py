"""Where a Postgres is: its URI taken apart, and put together with every connection parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

_PORT = 5432


@dataclass(frozen=True, slots=True)
class Address:
    """``endpoints`` are the (host, port) pairs; a host that begins with ``/`` is a socket's directory."""

    uri: SecretStr
    endpoints: tuple[tuple[str, int], ...]
    user: str

    @classmethod
    def of(
        cls, uri: str, parameters: dict[str, str | Path | None], connect_timeout: float, timeout: float
    ) -> Address:
        """Read ``uri`` and add what the source's settings say.

        Args:
            uri: ``postgresql://``, with several hosts or a ``host`` parameter as libpq allows.
            parameters: libpq parameters that win over the URI's; None is left out.
            connect_timeout: seconds for connection and login.
            timeout: seconds after which unacknowledged data means a dead connection.
        """
        parts = urlsplit(uri)
        login, _, hosts = parts.netloc.rpartition("@")
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        # Keepalives find a server that vanished without a word while we only wait.
        defaults = {
            "connect_timeout": str(max(2, math.ceil(connect_timeout))),  # libpq takes no less than 2 s
            "application_name": "ripstop",
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            "tcp_user_timeout": str(int(timeout * 1000)),
        }
        fixed = {name: str(value) for name, value in parameters.items() if value is not None}
        query = defaults | given | fixed | {"client_encoding": "UTF8"}
        whole = urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))
        return cls(
            uri=SecretStr(whole),
            endpoints=_endpoints(given.get("host") or unquote(hosts), given.get("port", "")),
            user=given.get("user") or unquote(login.partition(":")[0]),
        )


def _endpoints(hosts: str, ports: str) -> tuple[tuple[str, int], ...]:
    found = []
    for host in (hosts or "localhost").split(","):
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]") or host.startswith("/"):
            name, port = host, ""
        number = port or ports.partition(",")[0]
        found.append((name.strip("[]"), int(number) if number.isdigit() else _PORT))
    return tuple(found)
