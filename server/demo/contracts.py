"""What the demo shows of contracts: ``ripstop test`` asks them, and what breaks one is marked for everybody."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fabric.errors import FabricError, InternalError
from server.client import Client, Login

STATES = "SELECT domain, name, version, status, state, sunset FROM system.products ORDER BY domain, name"
_SEEN_SECONDS = 10.0


def show_contracts(console: Console, login: Login, directory: Path) -> None:
    """Test the products' contracts, and show what their readers see of it.

    Raises:
        FabricError: the rule that fails does not show.
    """
    console.rule("[bold]Products and what they promise")
    console.print(
        "`ripstop test` asks whether every contract holds; one rule of the repair shops' invoices does not:"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "server.cli", "test", "-C", str(directory)],
        capture_output=True,
        check=False,
        text=True,
    )
    for line in done.stdout.splitlines():
        if not line.startswith("ok"):
            console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print(
        "so that product is marked, for all who know of it; two versions of another stand side by side:"
    )
    with Client(login) as client:
        rows = _states(client)
    table = Table()
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)


def _states(client: Client) -> list[dict[str, object]]:
    deadline = time.monotonic() + _SEEN_SECONDS
    while time.monotonic() < deadline:
        with client.query(STATES) as answer:
            rows: list[dict[str, object]] = answer.read_all().to_pylist()
        if any(row["state"] == "violated" for row in rows):
            return rows
        time.sleep(0.2)
    error: FabricError = InternalError()
    error.hint = "no product is marked; the demo's serve.log says more"
    raise error
