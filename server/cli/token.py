"""``ripstop token``: API tokens of local users, for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabric.errors import InvalidValue, NotFound
from server.cli.options import Directory

if TYPE_CHECKING:
    from fabric.config import ProjectConfig
    from server.api_tokens import ApiTokens
    from server.keys import Signer

app = typer.Typer(help="API tokens of local users.", no_args_is_help=True, rich_markup_mode=None)

_DAYS, _MOST_DAYS = 90, 366


@app.command("new")
def new(
    user: Annotated[str, typer.Argument(help="A user of users.yaml.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help="Limit the token to what this role of the user grants; may be said several times."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=_MOST_DAYS, help="How long the token is good for.")] = _DAYS,
    directory: Directory = Path("."),
) -> None:
    """Make a token and print it, once: it logs in as Bearer, or in the place of the user's password."""
    with _tokens(directory) as (config, signer, tokens):
        from fabric.naming import suggest
        from server.auth import password_mark

        settings = config.users.get(user)
        if settings is None:
            raise NotFound(
                f"there is no local user '{user}'", hint=suggest(user, config.users, "local users")
            )
        for each in role or ():
            if each not in settings.roles:
                told = suggest(each, settings.roles, "roles of users.yaml")
                raise InvalidValue(
                    f"users.yaml gives '{user}' no role '{each}'",
                    hint=f"{told}; a role that only a `g` line gives limits no token",
                )
        token, made = tokens.make(user, password_mark(signer, user, settings), role or (), days)
    print(token)
    print(f"id {made.id}, good until {_day(made.until)}; it is not shown again", file=sys.stderr)


@app.command("list")
def list_tokens(directory: Directory = Path(".")) -> None:
    """Show every token that was made: id, user, state, days, roles."""
    now = datetime.now(UTC).timestamp()
    with _tokens(directory) as (_, _, tokens):
        listed = tokens.listed()
    for each in listed:
        roles = ", ".join(each.roles) or "every role"
        days = f"{_day(each.made_at)} to {_day(each.until)}"
        print(f"{each.id}  {each.user}  {each.state(now)}  {days}  {roles}")
    if not listed:
        print("no tokens", file=sys.stderr)


@app.command("revoke")
def revoke(
    id: Annotated[str, typer.Argument(help="The id that `ripstop token list` shows.")],
    directory: Directory = Path("."),
) -> None:
    """End a token: it counts no longer from the next call on."""
    with _tokens(directory) as (_, _, tokens):
        tokens.revoke(id)
    print(f"revoked {id}")


@contextmanager
def _tokens(directory: Path) -> Iterator[tuple[ProjectConfig, Signer, ApiTokens]]:
    from fabric.config import load_project
    from fabric.key import load_key
    from fabric.state import open_state
    from server.api_tokens import ApiTokens
    from server.keys import Signer

    config = load_project(directory)
    signer = Signer(load_key(config))
    with closing(open_state(config.state.get_secret_value())) as state:
        yield config, signer, ApiTokens(state, signer)


def _day(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).date().isoformat()
