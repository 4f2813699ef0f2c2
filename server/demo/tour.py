"""What the demo shows: one question over five sources, asked by two users, and how to ask it oneself."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from fabric.errors import FabricError, InternalError
from fabric.lineage_graph import Graph, Node, as_text
from server.cli.render import is_number, texts
from server.client import Client, Login
from server.demo.project import PASSWORDS

REVIEW = """\
SELECT claim_id, region, customer, email, product_line, shop, repair_total, fraud_score
FROM claims.claim_review
WHERE fraud_score >= 0.3
ORDER BY fraud_score DESC, claim_id
LIMIT 10"""

_TRACED = ("email", "deductible", "over_tariff", "fraud_score")
_TRACED_TO = {"crm_db", "policy_db", "repair_files", "tariff_files", "fraud_api"}

_FORBIDDEN = """\
SELECT cause, avg(score) AS score
FROM claims.claims_by_month CROSS JOIN fraud.score
GROUP BY cause"""


def show_answers(console: Console, uri: str) -> None:
    """Ask one review as aud and as ana, each with their own right answer, then what nobody may, and an EXPLAIN.

    Raises:
        FabricError: an answer was not the expected one.
    """
    console.rule("[bold]One question over Postgres, S3, SFTP, FTP and HTTP")
    _show_code(console, "sql", REVIEW)
    with Client(_login(uri, "aud")) as aud, Client(_login(uri, "ana")) as ana:
        console.print("\n[bold]aud[/], an auditor, sees every claim and whose it is:")
        everything = _show_answer(console, aud, REVIEW)
        console.print(
            "\n[bold]ana[/], an analyst for the EU, asks the same, and sees her region's claims, names and "
            "addresses masked:"
        )
        if _show_answer(console, ana, REVIEW) == everything:
            raise _unexpected("ana sees what aud sees")
        console.print("\nwhat she may read apart, she may not combine:")
        _show_code(console, "sql", _FORBIDDEN)
        _show_refusal(console, ana, _FORBIDDEN)
        console.print("\n[bold]EXPLAIN[/] says what each source was asked for, and what was left to Ripstop:")
        _show_plan(console, aud)
        console.rule("[bold]Where it comes from")
        console.print(
            "`ripstop lineage` says what each column is made of, down to the sources, as aud may know:"
        )
        _show_lineage(console, aud)


def _show_answer(console: Console, client: Client, sql: str) -> list[tuple[str | None, ...]]:
    started = time.monotonic()
    with client.query(sql) as reader:
        answer = reader.read_all().combine_chunks()
    seconds = time.monotonic() - started
    if not answer.num_rows:
        raise _unexpected("the review has no rows")
    table = Table()
    for field in answer.schema:
        table.add_column(field.name, justify="right" if is_number(field.type) else "left")
    rows = list(zip(*(texts(column.chunk(0)) for column in answer.columns), strict=True))
    for row in rows:
        table.add_row(*("NULL" if text is None else text for text in row))
    console.print(table)
    console.print(f"{answer.num_rows} rows in {seconds:.2f} s")
    return rows


def _show_refusal(console: Console, ana: Client, sql: str) -> None:
    try:
        with ana.query(sql) as reader:
            reader.read_all()
    except FabricError as error:
        if error.code != "ACCESS_DENIED":
            raise
        console.print(f"  [red]error:[/] {error.code}: {error.message}", markup=True)
        if error.hint:
            console.print(f"  [yellow]hint:[/] {error.hint}")
    else:
        raise _unexpected("ana could combine what may not be combined")


def _show_plan(console: Console, client: Client) -> None:
    with client.query(f"EXPLAIN {REVIEW}") as reader:
        answer = reader.read_all().combine_chunks()
    if not answer.num_rows:
        raise _unexpected("EXPLAIN says nothing")
    for row in zip(*(texts(column.chunk(0)) for column in answer.columns), strict=True):
        console.print("  " + "  ".join(text or "" for text in row), markup=False, soft_wrap=True)


def _show_lineage(console: Console, client: Client) -> None:
    with client.query("FROM system.lineage") as reader:
        graph = Graph(reader.read_all().to_pylist())
    starts = [Node("claims.claim_review", column) for column in _TRACED]
    beneath = {link.source.object for link in graph.reached(starts, "up") if link.source}
    if not {name.partition(".")[0] for name in beneath} >= _TRACED_TO:
        raise _unexpected("the lineage does not reach the sources")
    for line in as_text(graph, starts, ["up"]):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def show_ways(console: Console, uri: str, directory: Path) -> None:
    """Print addresses, logins and snippets to paste."""
    place = uri.removeprefix("grpc://")
    console.rule("[bold]Ask it yourself")
    console.print(f"Arrow Flight SQL   {uri}")
    console.print(f"project            {directory}/  (a change to a file counts within a second)")
    for user, role in (
        ("ana", "an analyst"),
        ("aud", "an auditor"),
        ("pat", "who owns the domain partners"),
        ("fay", "who writes the rules of the federation"),
    ):
        console.print(f"login              {user} / {PASSWORDS[user]}  ({role})")
    for title, kind, text in _snippets(uri, place, directory):
        console.print(f"\n[bold]{title}[/]")
        console.print(
            Syntax(text, kind, background_color="default") if console.is_terminal else text, markup=False
        )


def _show_code(console: Console, kind: str, text: str) -> None:
    """Coloured at a terminal, and never cut or wrapped: it is there to be copied."""
    shown = Syntax("", kind, background_color="default").highlight(text) if console.is_terminal else text
    console.print(shown, markup=False, soft_wrap=True)


def _snippets(uri: str, place: str, directory: Path) -> list[tuple[str, str, str]]:
    connect = (
        "from adbc_driver_flightsql import dbapi\n\n"
        f'connection = dbapi.connect("{uri}", autocommit=True,\n'
        f'    db_kwargs={{"username": "aud", "password": "{PASSWORDS["aud"]}"}})\n'
    )
    return [
        (
            "a shell",
            "bash",
            f"RIPSTOP_PASSWORD={PASSWORDS['aud']} ripstop sql -C {directory} --user aud "
            "-c 'SELECT * FROM claims.claim_review LIMIT 5'",
        ),
        (
            "Python, ADBC",
            "python",
            connect
            + "with connection.cursor() as cursor:\n"
            + '    cursor.execute("SELECT * FROM claims.claim_review WHERE fraud_score > ?", [0.5])\n'
            + "    table = cursor.fetch_arrow_table()",
        ),
        (
            "pandas, on the same connection",
            "python",
            'frame = pandas.read_sql("SELECT * FROM claims.open_claims", connection)',
        ),
        (
            "DBeaver, DataGrip, Tableau (Arrow Flight SQL JDBC driver; user and password as above)",
            "text",
            f"jdbc:arrow-flight-sql://{place}?useEncryption=false",
        ),
    ]


def _login(uri: str, user: str) -> Login:
    return Login(uri, user, PASSWORDS[user])


def _unexpected(what: str) -> FabricError:
    error = InternalError()
    error.hint = f"{what}; the demo's serve.log says more"
    return error
