"""DuckDB 1.5.5 with postgres_scanner and httpfs, in an environment and a process of its own.

``asked`` is used here; ``main`` runs there, answers a line of JSON for each line, and leaves the rows in a file. One
connection lives from the first query to the last, with two threads. It has no SFTP: it reads supplier's CSV from S3.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

MEMORY = "4GB"
# Beyond its time a query is interrupted; beyond so much more the process is ended.
GRACE = 10.0
# Asked once of each engine before anything is timed, so that connections stand and catalogs are read.
WARM = "SELECT r_name FROM sales.region LIMIT 1"


class Failed(Exception):
    """A query that an engine did not answer; the text is the engine's."""


@dataclass
class Peer:
    """The running process, which is started again when it ends."""

    python: Path
    told: dict[str, Any]
    folder: Path
    seconds: float
    process: subprocess.Popen[str] | None = None

    def ask(self, sql: str) -> tuple[float, pa.Table]:
        """The seconds until all rows were there as Arrow, and the rows.

        Raises:
            Failed: it did not answer, or not in time.
        """
        answer = self._exchange({"sql": sql, "seconds": self.seconds})
        if "error" in answer:
            raise Failed(answer["error"])
        with pa.OSFile(answer["file"]) as file:
            table = pa.ipc.open_file(file).read_all()
        return float(answer["took"]), table

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _exchange(self, line: dict[str, Any]) -> dict[str, Any]:
        process = self.process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(self.seconds + GRACE, process.kill)
        late.start()
        try:
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            late.cancel()
        if not answer:
            self.close()
            return {"error": "the peer's process ended"}
        said: dict[str, Any] = json.loads(answer)
        return said

    def _start(self) -> subprocess.Popen[str]:
        command = [str(self.python), "-m", "benchmarks.federation.peer"]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        # The connection is made warm, the data is not: it attaches, and asks for nothing.
        said = self._exchange({**self.told, "folder": str(self.folder)})
        if "error" in said:
            raise RuntimeError(said["error"])
        return self.process


@contextmanager
def asked(python: Path, told: dict[str, Any], folder: Path, seconds: float) -> Iterator[Peer]:
    """The peer over these sources (see ``attach`` for the keys), or over no sources at all."""
    peer = Peer(python, told, folder, seconds)
    try:
        yield peer
    finally:
        peer.close()


def attach(connection: duckdb.DuckDBPyConnection, told: dict[str, Any]) -> None:
    """The sources under the names that both engines use."""
    from benchmarks.federation.duckdb155 import load

    load(connection, "httpfs", "postgres_scanner")
    connection.execute(f"SET enable_external_file_cache = {str(told['cached']).lower()}")
    # The bucket of the SFTP's file has an address of its own, so that a relay slows the lake alone.
    for bucket in ("lake", "outbox"):
        connection.execute(
            f"CREATE SECRET {bucket} (TYPE s3, SCOPE 's3://{bucket}', KEY_ID '{told['key']}', SECRET '{told['secret']}', "
            f"ENDPOINT '127.0.0.1:{told[bucket]}', URL_STYLE path, USE_SSL false, REGION 'us-east-1')"
        )
    connection.execute(f"ATTACH '{told['postgres']}' AS sales (TYPE postgres, READ_ONLY)")
    connection.execute("CREATE SCHEMA lake; CREATE SCHEMA partners")
    for table in told["tables"]:
        path = f"s3://lake/{table}/{table}.parquet"
        connection.execute(f"CREATE VIEW lake.{table} AS FROM read_parquet('{path}')")
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in told["supplier"].items())
    connection.execute(
        "CREATE VIEW partners.supplier AS FROM read_csv('s3://outbox/supplier.csv', header = true, auto_detect = false, "
        f"delim = ',', quote = '\"', columns = {{{columns}}})"
    )


def _answer(connection: duckdb.DuckDBPyConnection, line: dict[str, Any], file: Path) -> dict[str, Any]:
    late = threading.Timer(line["seconds"], connection.interrupt)
    late.start()
    try:
        began = time.perf_counter()
        table: pa.Table = connection.execute(line["sql"]).to_arrow_table()
        took = time.perf_counter() - began
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    finally:
        late.cancel()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return {"took": took, "file": str(file)}


def main() -> None:
    """Answer until standard input ends."""
    import duckdb

    told = json.loads(sys.stdin.readline())
    connection = duckdb.connect(config={"threads": 2, "memory_limit": MEMORY})
    if "postgres" in told:
        attach(connection, told)
        connection.execute(WARM).fetchall()
    print(json.dumps({"version": duckdb.__version__}), flush=True)
    for number, line in enumerate(sys.stdin):
        file = Path(told["folder"]) / f"{number % 2}.arrow"
        print(json.dumps(_answer(connection, json.loads(line), file)), flush=True)


if __name__ == "__main__":
    main()
