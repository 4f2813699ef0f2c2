"""Ripstop itself beside the demo's servers: ``ripstop serve`` in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabric.errors import Unreachable

READY = re.compile(r"^ready (\S+)", re.MULTILINE)
_START_SECONDS = 60.0
# The supervisor gives running queries 10 s, and its worker 5 s to end.
_STOP_SECONDS = 20.0


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve the project while the block lasts; gives the address, e.g. ``grpc://127.0.0.1:31337``.

    Raises:
        Unreachable: it did not become ready; what it said is in the hint.
    """
    log = directory / ".ripstop" / "serve.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "server.cli", "serve", "-C", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            # Ctrl-C is ours to handle: it ends Ripstop first, and its sources after it.
            start_new_session=True,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text("utf-8", errors="replace")
        if ready := READY.search(text):
            return ready[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    said = log.read_text("utf-8", errors="replace").partition("error: ")[2].strip()
    raise Unreachable("ripstop serve", "it did not become ready", hint=said or f"see {log}")
