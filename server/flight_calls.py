"""One call: who makes it, with which session, and whether its client is still there.

gRPC tells nobody that a client went away while DuckDB computes or a statement waits for its turn, so the
watchdog asks for every call that runs a statement. It asks through a pointer into the call, which dies with it: ``call_completed`` runs
before that, and takes the call out under the lock that it is asked under.
"""

from __future__ import annotations

import base64
import binascii
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from pyarrow import flight  # noqa: TID251

from fabric.errors import Cancelled, LimitError, LoginRefused, NotSupported
from fabric.pipeline import Reply
from fabric.stop import Stop
from fabric.types import Principal
from fabric.watchdog import WATCHDOG
from server import sessions
from server.app import App
from server.auth import Authenticator, Login
from server.flight_errors import to_flight
from server.keys import Signer

_log = logging.getLogger("ripstop.flight")


class Call(flight.ServerMiddleware):  # type: ignore[misc]
    """What one call brought along; ``principal`` logs in, once."""

    def __init__(self, calls: Calls, headers: Mapping[str, list[str]]) -> None:
        self._calls = calls
        scheme, _, self._credentials = headers.get("authorization", [""])[0].partition(" ")
        self._scheme = scheme.lower()
        self._token, _, behind = self._credentials.partition(sessions.SEPARATOR)
        self._session = sessions.from_cookies(headers.get("cookie", [])) or behind
        self._sent = sessions.from_headers(headers)
        self._application = headers.get("user-agent", [""])[0][:200]
        self._login: Login | None = None
        self._answering: dict[str, str] = {}

    def principal(self, context: flight.ServerCallContext | None) -> Principal:
        """Who makes the call; the context is not there yet in a handshake.

        Raises:
            LoginRefused: no credentials, or wrong ones.
        """
        return self._logged_in(context).principal

    def _logged_in(self, context: flight.ServerCallContext | None) -> Login:
        if self._login is None:
            self._login = self._log_in(context)
        return self._login

    def _log_in(self, context: flight.ServerCallContext | None) -> Login:
        known = self._calls.authenticator
        if self._scheme == "bearer":
            return known.authenticate_bearer(self._token)
        if self._scheme == "basic":
            user, _, password = _decode_basic(self._credentials).partition(":")
            return known.authenticate_basic(user, password, self._address(context) if context else "")
        if self._scheme:
            raise LoginRefused("the login is neither Basic nor Bearer", hint="send a user name and password")
        certified = _certified(context) if context else ""
        return known.authenticate_certificate(certified) if certified else known.anonymous()

    def caller(self, context: flight.ServerCallContext) -> dict[str, str]:
        """What is known of the login, for the audit."""
        method = self._scheme or ("certificate" if _certified(context) else "anonymous")
        return {"method": method, "address": self._address(context), "application": self._application}

    def _address(self, context: flight.ServerCallContext) -> str:
        """Where the call comes from; a proxy passes bytes on, and gRPC does not take what it could say of that."""
        return "proxy" if self._calls.proxied else _address(context.peer())

    @property
    def in_java(self) -> bool:
        """Whether the client is one in Java, which the JDBC driver is."""
        return self._application.startswith("grpc-java")

    def options(self, context: flight.ServerCallContext) -> Mapping[str, str]:
        """The session options that the client keeps, over those that it sends with every call."""
        return self._sent | dict(self.kept_options(context))

    def kept_options(self, context: flight.ServerCallContext) -> Mapping[str, str]:
        """The session options that the client keeps."""
        return sessions.read_options(self._session, self._calls.signer, self.principal(context))

    def keep_options(self, context: flight.ServerCallContext, options: Mapping[str, str]) -> None:
        """Have the client keep these session options."""
        session = sessions.write_options(options, self._calls.signer, self.principal(context))
        context.add_header("set-cookie", f"{sessions.COOKIE}={session}" + ("" if session else "; Max-Age=0"))
        token = self._logged_in(context).token
        if token:
            suffix = sessions.SEPARATOR + session if session else ""
            context.add_header("authorization", f"Bearer {token}{suffix}")

    def handshake(self) -> None:
        """Log in, and answer with a token."""
        token = self._logged_in(None).token
        if token:
            self._answering["authorization"] = f"Bearer {token}"

    def sending_headers(self) -> dict[str, str]:
        """Called by pyarrow right after ``start_call``."""
        return self._answering

    def call_completed(self, exception: Exception | None) -> None:
        """Called by pyarrow when nothing of the call is left but its context.

        The answer is closed here and not where its batches are sent, since a client that leaves before
        the first batch never starts those.
        """
        running = self._calls.forget(self)
        if running is not None:
            try:
                running.close()
            except Exception:  # noqa: BLE001
                _log.exception("an answer did not close")


class Running:
    """A statement that runs for a call; it can be cancelled before its answer is there."""

    def __init__(self, id: str, user: str) -> None:
        self.id, self.user = id, user
        self.cancel = Stop()
        self.watched: object = None
        self._answer: Reply | None = None

    def attach(self, answer: Reply) -> None:
        """The answer is there: cancel it at once if that was asked for meanwhile."""
        self._answer = answer
        self.cancel.by(answer.cancel)

    def close(self) -> None:
        """Close the answer, if it came to one."""
        if self._answer is not None:
            self._answer.close()


class Calls(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """Makes the calls, and watches those that run a statement until ``close``.

    Args:
        app: the app that serves now.
        handshake: whether the server answers Handshake.
        elsewhere: asks the server's other processes, which means that a proxy stands in front; None, it is alone.
    """

    def __init__(
        self,
        app: Callable[[], App],
        handshake: bool = True,
        elsewhere: Callable[[Mapping[str, Any]], list[Any]] | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self.proxied = elsewhere is not None
        self._app = app
        self._handshake = handshake
        self.draining = False
        self._running: dict[Call, tuple[flight.ServerCallContext, Running]] = {}
        self._changed = threading.Condition()

    @property
    def authenticator(self) -> Authenticator:
        """Knows the users."""
        return self._app().authenticator

    @property
    def signer(self) -> Signer:
        """Makes tokens and sessions."""
        return self._app().signer

    def start_call(self, info: flight.CallInfo, headers: Mapping[str, list[str]]) -> Call:
        """Called by pyarrow for every call; what it raises is the call's status."""
        try:
            if self.draining and info.method != flight.FlightMethod.DO_ACTION:
                raise _shutting_down()
            call = Call(self, headers)
            if info.method == flight.FlightMethod.HANDSHAKE:
                if not self._handshake:
                    raise NotSupported(
                        "a fabric that logs in by certificate answers no Handshake",
                        hint="send no login, or Basic or Bearer with every call",
                    )
                call.handshake()
            return call
        except Exception as error:  # noqa: BLE001
            raise to_flight(error) from None

    def watch(self, call: Call, context: flight.ServerCallContext, running: Running) -> None:
        """Cancel the statement when the call's client goes away."""
        with self._changed:
            _, before = self._running.get(call, (None, None))
            self._running[call] = (context, running)
        if before is not None:
            WATCHDOG.forget(before.watched)
        running.watched = WATCHDOG.watch(lambda: self._look(call))

    def forget(self, call: Call) -> Running | None:
        """The call is over: its context must not be asked again. What it ran is returned."""
        with self._changed:
            _, running = self._running.pop(call, (None, None))
            self._changed.notify_all()
        if running is not None:
            WATCHDOG.forget(running.watched)
        return running

    def cancel(self, id: str, user: str) -> bool:
        """Cancel the user's running statement of that id, in whatever process; whether there was one."""
        if self.cancel_here(id, user):
            return True
        question = {"ask": "call", "id": id, "user": user}
        return self._elsewhere is not None and any(self._elsewhere(question))

    def cancel_here(self, id: str, user: str) -> bool:
        """As ``cancel``, in this process."""
        with self._changed:
            found = [r for _, r in self._running.values() if r.id == id and r.user == user]
        for running in found:
            running.cancel(Cancelled("the query was cancelled"))
        return bool(found)

    def drain(self, seconds: float) -> None:
        """Take no new calls, send those away that wait, wait for those that run, and cancel what is left."""
        self.draining = True
        with self._changed:
            waiting = [running for _, running in self._running.values() if running.cancel.waiting]
        for running in waiting:
            running.cancel(_shutting_down())
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=seconds)
            left = [running for _, running in self._running.values()]
        for running in left:
            running.cancel(_shutting_down())

    def _look(self, call: Call) -> None:
        """Whether the call's client is still there; the call's end waits for the lock."""
        with self._changed:
            context, running = self._running.get(call, (None, None))
            gone = context is not None and context.is_cancelled()
        if gone and running is not None:
            running.cancel(Cancelled("the client went away"))


class NoHandshakePayload(flight.ServerAuthHandler):  # type: ignore[misc]
    """Lets pyarrow answer Handshake at all; logins travel in headers, and are proved in ``Call``."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """Called by pyarrow in a handshake, after ``start_call``."""

    def is_valid(self, token: bytes) -> bytes:
        """Called by pyarrow for every other call."""
        return b""


def _shutting_down() -> LimitError:
    return LimitError("the server is shutting down", hint="run it again in a moment", retryable=True)


def _decode_basic(credentials: str) -> str:
    # Go sends base64 without padding; padding that is too long does no harm.
    try:
        return base64.b64decode(credentials.strip().rstrip("=") + "===").decode()
    except (binascii.Error, UnicodeDecodeError):
        raise LoginRefused(
            "the Basic credentials are not base64", hint="send user:password in base64"
        ) from None


def _certified(context: flight.ServerCallContext) -> str:
    """The name in the client's certificate, which gRPC has verified; empty for none.

    gRPC gives the first subject alternative name or, without any, the common name.
    """
    try:
        return context.peer_identity().decode()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return ""


def _address(peer: str) -> str:
    """The address in gRPC's ``ipv4:127.0.0.1:40000`` or ``ipv6:%5B::1%5D:40000``."""
    return unquote(peer.partition(":")[2]).rpartition(":")[0].strip("[]")
