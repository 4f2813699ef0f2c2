"""How a command fails: one ``error:`` line, one ``hint:`` line, and an exit status."""

from __future__ import annotations

import os
import sys
import traceback

from typer.exceptions import Abort, TyperException

from fabric.errors import STATUS, FabricError, InternalError

USAGE = 2
INTERRUPTED = 130


def report(error: Exception) -> int:
    """Print the failure to stderr and return the exit status.

    A fault of Ripstop itself shows its traceback only when ``RIPSTOP_DEBUG`` is set.
    """
    if isinstance(error, Abort):
        return INTERRUPTED
    if isinstance(error, TyperException):
        message = error.format_message()
        if message.startswith("Usage: "):  # called bare: the message is the whole help
            print(message, file=sys.stderr)
        else:
            show("USAGE", message, _try(error))
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output left, as `head` does; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if not isinstance(error, FabricError):
        error = _unexpected(error)
    show(error.code, error.message, error.hint)
    return STATUS[error.code].exit if error.code in STATUS else 1


def show(code: str, message: str, hint: str = "", excerpt: str = "") -> None:
    """Print one error as every command does; ``excerpt`` is the part of the person's own text that it is about."""
    print(f"error: {code}: {_harmless(message)}", file=sys.stderr)
    if excerpt:
        print(_harmless(excerpt), file=sys.stderr)
    if hint:
        print(f"hint: {_harmless(hint)}", file=sys.stderr)


def _harmless(text: str) -> str:
    """The text without escapes that a terminal would obey: a message may hold a name that somebody else chose."""
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _try(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context is not None else "ripstop --help"


def _unexpected(error: Exception) -> FabricError:
    if os.environ.get("RIPSTOP_DEBUG"):
        traceback.print_exception(error)
    internal = InternalError()
    internal.hint = "set RIPSTOP_DEBUG=1 and run it again to see where"
    return internal
