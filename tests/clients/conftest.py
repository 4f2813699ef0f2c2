"""A served fabric for clients in processes of their own, and the environments that they need (``make clients``)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.app import build
from server.flight import FlightServer
from tests.fabric.project import write

ROOT = Path(__file__).parents[2]

USERS = """users:
  aud: {password: "${env:PASSWORD}", roles: [role:auditor]}
  ana: {password: "${env:PASSWORD}", roles: [role:analyst]}
"""


@dataclass(frozen=True)
class Fabric:
    """Where it listens; aud may read all, ana only products. Both passwords are ``secret``."""

    port: int

    @property
    def uri(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    @property
    def jdbc(self) -> str:
        return f"jdbc:arrow-flight-sql://127.0.0.1:{self.port}?useEncryption=false"


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    directory = tmp_path_factory.mktemp("fabric")
    write(directory)
    (directory / "users.yaml").write_text(USERS)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PASSWORD", "secret")
        app = build(directory)
    server = FlightServer(lambda: app, fabric="acme")
    try:
        yield Fabric(server.port)
    finally:
        server.close()
        app.close()


@pytest.fixture(scope="session")
def needed() -> Callable[[Path], Path]:
    """Skips a test whose environment is not there; in CI it has to be."""

    def need(path: Path) -> Path:
        if not path.exists():
            reason = f"no {path.relative_to(ROOT).parts[0]}: run `make clients`"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        return path

    return need


def said(command: Sequence[str | Path], seconds: float = 100, **environment: str) -> dict[str, object]:
    """What a program says, one JSON object a line, as one."""
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, env={**os.environ, **environment}
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    found: dict[str, object] = {}
    for line in ran.stdout.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found
