"""What the entries share: files put into a folder that a server serves, rows as texts of other databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connectors.conformance import FileSubject


class FolderSubject(FileSubject):
    """Files in a folder of this machine, which a server may serve."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_name(f".{file.name}.new")
        written.write_bytes(data)
        written.replace(file)

    def remove(self, path: str) -> None:
        (self.folder / path).unlink()

    def limits(self, connections: int = 4, timeout: float = 20.0, **_: object) -> dict[str, Any]:
        return limits(connections, timeout)


def limits(connections: int = 4, timeout: float = 20.0) -> dict[str, Any]:
    """The keys that every source shares."""
    return {"limits": {"connections": connections}, "timeout": timeout, "connect_timeout": timeout}
