"""The corpus in other dialects: a translation reaches nothing that its result could not, and shows nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from fabric.dialect_rules import RULES
from fabric.errors import FabricError
from fabric.pipeline import Session
from server.app import App
from tests.attacks.conftest import Tally
from tests.attacks.corpus import CASES, Case
from tests.attacks.judge import _JOURNAL, Court

DIALECTS = sorted(RULES)
SPREAD = [(DIALECTS[n % len(DIALECTS)], case) for n, case in enumerate(CASES)][::3]

# Written for a dialect: capture, comments that steer sqlglot, functions with another's meaning, and commands.
WRITTEN = {
    "postgres": [
        "SELECT * FROM lake.claim /* sqlglot.meta case_sensitive, dialect=mysql */",
        "SELECT $$x$$; SELECT * FROM lake.claim",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_catalog.pg_tables",
        "SELECT current_setting('TimeZone'), version(), current_user",
        "COPY lake.claim TO '/tmp/x'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "SELECT * FROM ONLY (lake.claim)",
        "TABLE lake.claim",
        "SELECT lo_import('/etc/passwd'), dblink('x', 'SELECT 1')",
        "WITH t AS (INSERT INTO lake.claim VALUES (1) RETURNING *) SELECT * FROM t",
        "SELECT query_to_xml('SELECT * FROM lake.claim', true, true, '')",
        "SELECT * FROM generate_series(1, 10, (SELECT count(*) FROM lake.claim))",
        "SELECT c.*::text FROM lake.claim c",
        "SELECT row_to_json(c) FROM lake.claim c",
        "SELECT c FROM lake.claim c",
        "SELECT (SELECT array_agg(c) FROM lake.claim c)",
    ],
    "tsql": [
        "SELECT * FROM OPENROWSET(BULK '/etc/passwd', SINGLE_CLOB) x",
        "EXEC('SELECT * FROM lake.claim')",
        "EXEC sp_executesql N'SELECT * FROM lake.claim'",
        "SELECT * INTO #t FROM lake.claim",
        "SELECT * FROM lake.claim FOR XML AUTO",
        "SELECT * FROM lake.claim FOR JSON PATH",
        "DECLARE @x INT = 1 SELECT @x",
        "SELECT @@version",
        "SELECT * FROM [lake].[claim] c CROSS APPLY OPENJSON(c.region) j",
        "IF 1 = 1 SELECT * FROM lake.claim",
        "SELECT 1 GO SELECT * FROM lake.claim",
        "SELECT * FROM lake..claim",
    ],
    "bigquery": [
        "SELECT * FROM `lake.claim`",
        "SELECT * FROM `lake`.`claim` FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01'",
        "SELECT * FROM EXTERNAL_QUERY('x', 'SELECT 1')",
        "SELECT * FROM ML.PREDICT(MODEL m, TABLE lake.claim)",
        "SELECT SESSION_USER(), ERROR('x')",
        "SELECT TO_JSON_STRING(c) FROM lake.claim c",
        "SELECT * FROM lake.INFORMATION_SCHEMA.TABLES",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "SELECT AS STRUCT * FROM lake.claim",
    ],
    "snowflake": [
        "SELECT * FROM @stage/file.csv",
        "SELECT $1 FROM lake.claim",
        "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "SELECT * FROM IDENTIFIER('lake.claim')",
        "SELECT * FROM TABLE('lake.claim')",
        "SELECT SYSTEM$TYPEOF(1), CURRENT_ROLE(), CURRENT_USER()",
        "SELECT * FROM lake.claim AT(OFFSET => -60)",
        "CALL lake.claim()",
        "SELECT * FROM lake.claim, LATERAL FLATTEN(INPUT => (SELECT list(region) FROM lake.claim)) f",
        "SELECT GET_DDL('table', 'lake.claim')",
    ],
    "spark": [
        "SELECT reflect('java.lang.System', 'getenv', 'PATH')",
        "SELECT * FROM parquet.`/etc/passwd`",
        "SELECT * FROM csv.`s3://x/y`",
        "SELECT input_file_name() FROM lake.claim",
        "SELECT TRANSFORM(region) USING 'cat' FROM lake.claim",
        "SELECT /*+ BROADCAST(c) */ * FROM lake.claim c",
        "SELECT * FROM lake.claim VERSION AS OF 1",
        "SELECT java_method('a', 'b')",
        "SET x = 1",
    ],
    "trino": [
        "SELECT * FROM TABLE(system.query(query => 'SELECT 1'))",
        'SELECT * FROM lake."claim$snapshots"',
        "SELECT * FROM lake.claim FOR VERSION AS OF 1",
        "SHOW CREATE TABLE lake.claim",
        "SELECT current_user, current_catalog",
    ],
    "ansi": [
        "SELECT {fn USER()}, {fn DATABASE()}",
        "{call system.request('lake.claim', 'x')}",
        "SELECT * FROM {oj lake.claim}",
        "SELECT {fn read_text('/etc/passwd')}",
        "SELECT * FROM {fn read_csv('/etc/passwd')}",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT TOP (SELECT count(*) FROM lake.claim) 1",
        "SELECT {d '2020-01-01' || (SELECT max(region) FROM lake.claim)}",
    ],
}
USERS = ("ana", "eve")
CAPTURED = [(d, user, sql) for d, statements in WRITTEN.items() for sql in statements for user in USERS]


class InDialect:
    """The line, asked in a dialect; the judge's own statements stay in DuckDB's."""

    def __init__(self, app: App, dialect: str) -> None:
        self._app, self._dialect = app, dialect
        self.line = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app.line, name)

    def _session(self, sql: str, session: Session) -> Session:
        return session if sql == _JOURNAL else replace(session, options={"dialect": self._dialect})

    def run(self, sql: str, who: Any, session: Session, parameters: Sequence[object] = ()) -> Any:
        return self._app.line.run(sql, who, self._session(sql, session), parameters)

    def describe(self, sql: str, who: Any, session: Session, parameters: Any = None) -> Any:
        return self._app.line.describe(sql, who, self._session(sql, session), parameters)


def court_in(court: Court, dialect: str) -> Court:
    return Court(InDialect(court.app, dialect), court.oracle)  # type: ignore[arg-type]


@pytest.mark.parametrize(("dialect", "case"), SPREAD, ids=str)
def test_the_corpus_shows_nothing_in_another_dialect(
    court: Court, tally: Tally, dialect: str, case: Case
) -> None:
    tally.add("other dialects")
    got = court_in(court, dialect).show(case.user, case.sql)
    if case.expected == "denied":
        assert isinstance(got, FabricError)


@pytest.mark.parametrize(("dialect", "user", "sql"), CAPTURED)
def test_what_is_written_for_a_dialect_shows_nothing(
    court: Court, tally: Tally, dialect: str, user: str, sql: str
) -> None:
    tally.add("other dialects")
    court_in(court, dialect).show(user, sql)


def test_a_translation_reaches_no_more_than_its_result(court: Court) -> None:
    for dialect, _, sql in CAPTURED:
        got = court_in(court, dialect).ask("eve", sql)
        if "passwd" in sql or "getenv" in sql or "OPENROWSET" in sql:
            assert isinstance(got, FabricError), sql
