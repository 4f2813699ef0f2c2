"""Runs are carried out here: in a few threads of this process, through the same line as every other query.

A process holds a lease as long as it lives. Whoever gets the lease of another has proof that it is dead, fails what it
left under way, and removes the files that count for nothing.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pyarrow as pa

from fabric.errors import Cancelled, FabricError, InternalError, InvalidValue, LimitError, NotSupported
from fabric.lake import Lake
from fabric.questions import Session
from fabric.replies import Reply
from fabric.row_groups import write_parquet
from fabric.runs import Runs
from fabric.stop import Stop
from fabric.stored import judged, ruled
from fabric.types import Governed, Principal, Table

log = logging.getLogger("ripstop.runs")

THREADS = 2
"""How many runs of one process run at once."""

MOST_WAITING = 64
"""How many wait for one of its threads."""

LEASE_SECONDS = 15.0
"""How long after its death a process is known to be dead."""

FOLDER = "runs"
_TICK_SECONDS = 1.0
_LAST_SECONDS = 5.0
_SWEEP_SECONDS = 60.0
_GRACE_SECONDS = 3600.0
"""How long the file of an expired result stays for those who are reading it, and one that no run names."""

_DIED = "the server ended while it ran; submit it again"

RunQuery = Callable[[str, Principal, Session], Reply]


@dataclass
class _Job:
    run_id: str
    text: str
    principal: Principal
    session: Session
    stop: Stop = field(default_factory=Stop)
    rows: int = 0
    stream: pa.NativeFile | None = None
    future: Future[None] | None = None


class RunPool:
    """Takes runs and carries them out.

    Args:
        runs: where they are written down.
        lake: where results go.
        run: the line's.
        fabric: the fabric's name, whose own tables are not stored.
    """

    def __init__(self, runs: Runs, lake: Lake, run: RunQuery, fabric: str) -> None:
        self.runs = runs
        self._lake = lake
        self._run = run
        self._fabric = fabric.lower()
        self._worker = uuid.uuid4().hex
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ripstop-run")
        self._swept = -_SWEEP_SECONDS
        self._leased = False
        self._clock = threading.Thread(target=self._tick, name="ripstop-runs", daemon=True)
        self._clock.start()

    def submit(self, text: str, principal: Principal, session: Session) -> str:
        """Take a query that was judged; the id of its run.

        Raises:
            LimitError: too many wait, or the principal has no room.
            StateUnavailable: it could not be written down.
        """
        with self._lock:
            if len(self._jobs) >= MOST_WAITING + THREADS:
                raise LimitError(
                    "too many runs wait already", hint="submit it again in a moment", retryable=True
                )
        self._lease()
        said = {"schema": session.schema, "dialect": session.dialect}
        run_id = self.runs.submit(principal.user, text, said, self._worker)
        job = _Job(run_id, text, principal, session)
        job.session = replace(session, stop=job.stop)
        with self._lock:
            self._jobs[run_id] = job
        job.future = self._pool.submit(self._carry_out, job)
        return run_id

    def cancel(self, run_id: str, user: str | None) -> str | None:
        """As ``Runs.cancel``; one of this process stops at once, one of another within a second or two."""
        state = self.runs.cancel(run_id, user)
        with self._lock:
            job = self._jobs.get(run_id)
        if state == "cancelled" and job is not None:
            job.stop(Cancelled("the run was cancelled"))
        return state

    def close(self) -> None:
        """Stop what runs; it is failed at once, and not when the lease is over."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with suppress(FabricError):
            self.runs.abandon(self._worker, _DIED)
            if self._leased:
                self.runs.state.release(_lease_of(self._worker))
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.stop(Cancelled("the server ends"))
        wait([job.future for job in jobs if job.future is not None], _LAST_SECONDS)
        self._clock.join()

    # ── one run ─────────────────────────────────────────────────────────────────────────────

    def _carry_out(self, job: _Job) -> None:
        try:
            self._result(job)
        except FabricError as error:
            state = "cancelled" if isinstance(error, Cancelled) else "failed"
            self._over(job, str(error), state)
        except Exception as error:
            fault = InternalError()
            log.error("reference %s: %s", fault.reference, type(error).__name__, exc_info=error)
            self._over(job, str(fault), "failed")
        finally:
            with self._lock:
                self._jobs.pop(job.run_id, None)

    def _over(self, job: _Job, error: str, state: str) -> None:
        try:
            self.runs.fail(job.run_id, error, state)
        except FabricError as failed:
            log.error("that run %s failed could not be written down: %s", job.run_id, failed)

    def _result(self, job: _Job) -> None:
        """Run it, write its result, and have that count."""
        file = f"{FOLDER}/{job.run_id}/{uuid.uuid4().hex}.parquet"
        if not self.runs.start(job.run_id, file):
            return
        with self._run(job.text, job.principal, job.session) as reply:
            governed = governed_of(reply)
            self._require_storable(governed)
            require_storable(reply.schema)
            try:
                with self._lake.writing(file) as stream:
                    job.stream = stream
                    write_parquet(stream, reply.schema, self._counted(job, reply))
            finally:
                job.stream = None
            size = self._lake.size(file) or 0
            told: Mapping[str, object] = {"query_id": reply.query_id, "policy": governed.policy_version}
            try:
                published = self.runs.publish(job.run_id, job.rows, size, ruled(governed), told)
            except LimitError:
                self._lake.remove(file)
                raise
            if not published:
                self._lake.remove(file)

    def _counted(self, job: _Job, reply: Reply) -> Iterator[pa.RecordBatch]:
        for batch in reply.batches():
            job.rows += batch.num_rows
            yield batch

    def _require_storable(self, governed: Governed) -> None:
        """Refuse the fabric's own tables: whose rows they show is decided where they are read, and by no rule."""
        for relation in judged(governed.resolved, governed.decisions):
            if relation.name.catalog.lower() == self._fabric and isinstance(relation.object, Table):
                raise NotSupported(
                    "the fabric's own tables are not stored", hint="ask for them without submit"
                )

    # ── what goes on beside ─────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        while not self._closed.wait(_TICK_SECONDS):
            try:
                self._look_after()
            except FabricError as error:
                log.warning("runs are not looked after: %s", error)
            except Exception:
                log.exception("runs are not looked after")

    def _look_after(self) -> None:
        with self._lock:
            jobs = list(self._jobs.values())
        if jobs or self._leased:
            self._lease()
        for job in jobs:
            stream = job.stream
            size = 0
            with suppress(ValueError, OSError):
                size = stream.tell() if stream is not None else 0
            if not self.runs.progress(job.run_id, job.rows, size):
                job.stop(Cancelled("the run was cancelled"))
        died = self._fail_dead()
        if died or time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self._swept = time.monotonic()
            self.sweep()

    def _lease(self) -> None:
        self._leased = True
        self.runs.state.lease(_lease_of(self._worker), LEASE_SECONDS)

    def _fail_dead(self) -> int:
        """Fail the runs of dead processes; how many that were."""
        died = 0
        for worker in self.runs.workers() - {self._worker}:
            if self.runs.state.lease(_lease_of(worker), LEASE_SECONDS):
                died += self.runs.abandon(worker, _DIED)
                self.runs.state.release(_lease_of(worker))
        if died:
            log.warning("%d runs of processes that died have failed", died)
        return died

    def sweep(self) -> None:
        """Remove the files that count for nothing."""
        if not self.runs.state.lease("sweep the lake", _SWEEP_SECONDS):
            return
        self.runs.forget()
        # Listed before the runs are read: a file is named in the state before it is made.
        found = self._lake.listed(FOLDER)
        known = self.runs.files()
        now = time.time()
        for file in found:
            state, at = known.get(file.path, ("", file.modified))
            left = state in ("failed", "cancelled")
            over = state in ("expired", "") and now - at > _GRACE_SECONDS
            if left or over or (state == "succeeded" and at and now - at > _GRACE_SECONDS):
                self._lake.remove(file.path)


def governed_of(reply: Reply) -> Governed:
    """What was decided on a query that a reply answers.

    Raises:
        NotSupported: it is no query.
    """
    governed = getattr(reply, "governed", None)
    if not isinstance(governed, Governed):
        raise NotSupported("only a query can be submitted")
    return governed


def require_storable(schema: pa.Schema) -> None:
    """Refuse columns that Parquet cannot hold as they are.

    Raises:
        InvalidValue: two have one name, or one has a type without a place in Parquet.
    """
    seen = set[str]()
    for column in schema:
        if column.name.lower() in seen:
            raise InvalidValue(
                f"two columns of the result are called '{column.name}' (case does not count)",
                hint="give one of them another name with AS",
            )
        seen.add(column.name.lower())
        if pa.types.is_interval(column.type) or pa.types.is_union(column.type):
            raise InvalidValue(
                f"column '{column.name}' has a type that Parquet does not hold", hint="cast it, as to VARCHAR"
            )


def _lease_of(worker: str) -> str:
    return f"runs of {worker}"
