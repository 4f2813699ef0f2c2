"""A worker is killed: how long until the same port answers again, and until a query is answered."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
from adbc_driver_flightsql import dbapi

from benchmarks.machine import write
from benchmarks.stream import make

TIMES = 5


def answered(port: int) -> bool:
    """Whether a new connection gets an answer."""
    login = {"username": "aud", "password": "x"}
    try:
        with (
            dbapi.connect(f"grpc://127.0.0.1:{port}", db_kwargs=login) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT count(*) FROM disk.big WHERE id < 10")
            return cursor.fetchone() == (10,)
    except dbapi.Error:
        return False


def serving_worker(supervisor: psutil.Process, port: int) -> psutil.Process | None:
    """The child that listens on the port."""
    for child in supervisor.children():
        if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in child.net_connections("tcp")):
            return child
    return None


def main() -> None:
    """Measure and write ``out/recovery.json``."""
    os.environ["RIPSTOP_PASSWORD"] = "x"
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "bench"
        make(directory)
        command = [sys.executable, "-m", "server.cli", "serve", "-C", str(directory)]
        served = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert served.stdout is not None
        port = int(served.stdout.readline().split(":")[-1])
        took = []
        for _ in range(TIMES):
            time.sleep(4)  # a spare worker stands by
            worker = serving_worker(psutil.Process(served.pid), port)
            assert worker is not None
            worker.send_signal(signal.SIGKILL)
            killed = time.perf_counter()
            while not answered(port):
                time.sleep(0.01)
            took.append(time.perf_counter() - killed)
        served.terminate()
        served.wait(30)
    write(
        "recovery", {"kill_to_answer_seconds": [round(t, 3) for t in took], "median": round(median(took), 3)}
    )


if __name__ == "__main__":
    main()
