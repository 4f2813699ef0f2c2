"""Statements between two calls: signed handles and tickets that carry all that they need.

The server remembers nothing of a prepared statement: its handle holds the text, the session and, once
bound, the parameters, signed for one user. Clients older than DoPutPreparedStatementResult keep the
first handle; for them the last binding is remembered too, in a bounded memory.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from fabric.errors import AccessDenied, InvalidValue, LimitError
from fabric.types import Principal
from server.keys import Signer
from server.parameters import value

TICKET_SECONDS = 3600
"""How long a ticket may be redeemed."""

HANDLE_SECONDS = 24 * 3600
"""How long a prepared statement lives."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of one user: text, session options, and the parameters once bound.

    ``binding`` is an Arrow IPC stream of one row. ``expects`` is the number of placeholders, ``columns``
    the fingerprint of the promised schema, ``signed`` whether that has no unsigned numbers.
    """

    user: str
    text: str
    options: Mapping[str, str] = field(default_factory=dict)
    binding: bytes | None = None
    expects: int = 0
    policy_version: str | None = None
    columns: str = ""
    signed: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def parameters(self) -> tuple[object, ...]:
        """The bound values, in the order of the placeholders."""
        return values(self.binding) if self.binding else ()


def seal(statement: Statement, purpose: str, signer: Signer) -> bytes:
    """The signed text of a statement; ``purpose`` is ``handle`` or ``ticket``."""
    payload = {
        "i": statement.id,
        "u": statement.user,
        "q": statement.text,
        "o": dict(statement.options),
        "n": statement.expects,
        "v": statement.policy_version,
        "c": statement.columns,
        "s": statement.signed,
        "b": base64.b64encode(statement.binding).decode() if statement.binding else None,
    }
    ttl = TICKET_SECONDS if purpose == "ticket" else HANDLE_SECONDS
    return signer.sign(purpose, payload, ttl).encode()


def unseal(sealed: bytes, purpose: str, signer: Signer, principal: Principal) -> Statement:
    """The statement that was sealed.

    Raises:
        LoginRefused: forged or expired.
        AccessDenied: sealed for another user.
    """
    try:
        token = sealed.decode("ascii")
    except UnicodeDecodeError:
        token = ""
    payload = signer.verify(purpose, token)
    if payload["u"] != principal.user:
        raise AccessDenied(f"this {purpose} was made for another user", hint="run the statement yourself")
    return Statement(
        id=payload["i"],
        user=payload["u"],
        text=payload["q"],
        options=payload["o"],
        expects=payload["n"],
        policy_version=payload["v"],
        columns=payload["c"],
        signed=payload.get("s", False),
        binding=base64.b64decode(payload["b"]) if payload["b"] else None,
    )


def fingerprint(schema: pa.Schema) -> str:
    """16 hex digits that change with any name, type or nullability of the schema."""
    return hashlib.sha256(schema.serialize()).hexdigest()[:16]


def bindings(statement: Statement, batches: Sequence[pa.RecordBatch]) -> list[bytes]:
    """Each row of what a client sent as parameters, bound by position.

    Raises:
        InvalidValue: another number of columns than the statement has placeholders.
    """
    rows = []
    for batch in batches:
        if batch.num_columns != statement.expects:
            raise InvalidValue(
                f"the statement has {statement.expects} parameters and {batch.num_columns} were bound",
                hint="bind one value for every placeholder, in order",
            )
        rows += [_to_ipc(batch.slice(i, 1)) for i in range(batch.num_rows)]
    return rows


def bound(statement: Statement, rows: Sequence[bytes]) -> Statement:
    """The statement with its one row of parameters.

    Raises:
        InvalidValue: none or several rows; a query takes one.
    """
    if len(rows) != 1:
        raise InvalidValue(
            f"a query takes one row of parameters, not {len(rows)}",
            hint="run it once for every row, or join with VALUES",
        )
    return replace(statement, binding=rows[0])


def values(binding: bytes) -> tuple[object, ...]:
    """The values of one bound row.

    Raises:
        InvalidValue: a value that SQL cannot be told exactly.
    """
    batch = pa.ipc.open_stream(binding).read_next_batch()
    return tuple(value(column[0], number) for number, column in enumerate(batch.columns, start=1))


def _to_ipc(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


class Bindings:
    """The last binding of each prepared statement, for clients that do not take a new handle.

    The oldest are forgotten beyond ``most`` bytes; a forgotten binding is an error of the next run, never
    another value. Of several processes one alone remembers a binding: the others forget theirs before it does.

    Args:
        most: bytes.
        elsewhere: asks the server's other processes; None, there are none.
    """

    def __init__(
        self, most: int = 64 * 2**20, *, elsewhere: Callable[[Mapping[str, Any]], list[Any]] | None = None
    ) -> None:
        self._most = most
        self._elsewhere = elsewhere
        self._bytes = 0
        self._rows: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, statement: Statement) -> None:
        """Keep the statement's binding under its id."""
        if statement.binding is None:
            return
        if self._elsewhere is not None and not all(self._elsewhere({"ask": "unbind", "id": statement.id})):
            raise LimitError("a binding could not be kept", hint="run it again in a moment", retryable=True)
        with self._lock:
            self._drop(statement.id)
            self._rows[statement.id] = statement.binding
            self._bytes += len(statement.binding)
            while self._bytes > self._most:
                self._drop(next(iter(self._rows)))

    def complete(self, statement: Statement) -> Statement:
        """The statement with the binding that its handle carries or, without one, that is remembered."""
        if statement.binding is not None:
            return statement
        with self._lock:
            row = self._rows.get(statement.id)
        if row is None and self._elsewhere is not None and statement.expects:
            found = [each for each in self._elsewhere({"ask": "binding", "id": statement.id}) if each]
            row = base64.b64decode(found[0]) if found else None
        return replace(statement, binding=row)

    def forget(self, statement: Statement) -> None:
        """Drop the statement's binding."""
        if self._elsewhere is not None and statement.expects:
            self._elsewhere({"ask": "unbind", "id": statement.id})
        self._forget(statement.id)

    def answer(self, question: Mapping[str, Any]) -> Any:
        """Answer another process: what is bound (base64), or that it is forgotten."""
        if question["ask"] == "unbind":
            self._forget(question["id"])
            return True
        with self._lock:
            row = self._rows.get(question["id"])
        return base64.b64encode(row).decode() if row else None

    def _forget(self, id: str) -> None:
        with self._lock:
            self._drop(id)

    def _drop(self, id: str) -> None:
        row = self._rows.pop(id, None)
        self._bytes -= len(row) if row else 0
