"""An answer in each format, piped: exact, NULL apart, and nothing that moves a cursor."""

from __future__ import annotations

import io
import json

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fabric.errors import NotSupported
from server.cli.formats import SHOWN_ROWS, write
from server.cli.options import Format

ASKED = """
SELECT 0.10::DECIMAL(4,2) AS d, NULL::VARCHAR AS n, '' AS e, 'a,"b' AS c, TIMESTAMP '2026-01-02 03:04:05.6' AS t
UNION ALL SELECT NULL, 'NULL', ' x', E'l\n\x1b[2J', NULL"""


@pytest.fixture
def table() -> pa.Table:
    with duckdb.connect() as connection:
        return connection.sql(ASKED).to_arrow_table().combine_chunks()


def written(table: pa.Table, form: Format) -> bytes:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    assert write(table.to_reader(), form, out) == table.num_rows
    out.flush()
    return raw.getvalue()


def test_csv_keeps_null_and_the_empty_text_apart(table: pa.Table) -> None:
    assert written(table, Format.csv).decode() == (
        'd,n,e,c,t\n0.10,,"","a,""b",2026-01-02 03:04:05.6\n,NULL," x","l\n\x1b[2J",\n'
    )


def test_csv_reads_back_as_it_was(table: pa.Table, tmp_path) -> None:
    file = tmp_path / "answer.csv"
    file.write_bytes(written(table, Format.csv))
    kinds = "{'d': 'DECIMAL(4,2)', 'n': 'VARCHAR', 'e': 'VARCHAR', 'c': 'VARCHAR', 't': 'TIMESTAMP'}"
    with duckdb.connect() as connection:
        again = connection.execute(
            f"FROM read_csv('{file}', columns={kinds}, allow_quoted_nulls=false, quote='\"', escape='\"', new_line='\\n')"
        ).fetchall()
    assert again == [tuple(row.values()) for row in table.to_pylist()]


def test_json_and_jsonl_parse_and_keep_digits(table: pa.Table) -> None:
    lines = written(table, Format.jsonl).decode().splitlines()
    assert lines[0] == '{"d": 0.10, "n": null, "e": "", "c": "a,\\"b", "t": "2026-01-02 03:04:05.6"}'
    assert json.loads(written(table, Format.json)) == [json.loads(line) for line in lines]
    assert json.loads(written(table.slice(0, 0), Format.json)) == []


def test_a_table_is_aligned_and_writes_control_characters_out(table: pa.Table) -> None:
    assert written(table, Format.table).decode().splitlines() == [
        "|    d | n    | e  | c          | t                     |",
        "|------|------|----|------------|-----------------------|",
        '| 0.10 | NULL |    | a,"b       | 2026-01-02 03:04:05.6 |',
        "| NULL | NULL |  x | l\\n\\x1b[2J | NULL                  |",
    ]


def test_wide_characters_take_two_cells() -> None:
    table = pa.table({"name": ["佐藤", "Ana"], "n": [1, 20]})
    assert written(table, Format.table).decode().splitlines()[2:] == ["| 佐藤 |  1 |", "| Ana  | 20 |"]


def test_parquet_and_arrow_hold_the_very_table(table: pa.Table) -> None:
    assert pq.read_table(io.BytesIO(written(table, Format.parquet))).equals(table)
    assert pa.ipc.open_stream(written(table, Format.arrow)).read_all().equals(table)


@pytest.mark.parametrize("form", [Format.parquet, Format.arrow])
def test_bytes_do_not_go_to_a_terminal(table: pa.Table, form: Format) -> None:
    with pytest.raises(NotSupported):
        write(table.to_reader(), form, _Screen())


def test_a_terminal_is_told_when_rows_are_left_out() -> None:
    table = pa.table({"n": range(SHOWN_ROWS + 5)})
    said = _Screen()
    assert write(table.to_reader(), Format.table, said) == SHOWN_ROWS + 5
    assert said.getvalue().splitlines()[-1].startswith(f"{SHOWN_ROWS} of {SHOWN_ROWS + 5} rows are shown")


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_and_markdown_keep_every_cell_in_its_place() -> None:
    hard = pa.table({"a|b": ["x|y\\\n", None], "n": [1, 20]})
    assert written(hard, Format.markdown).decode() == (
        "| a\\|b | n |\n|---|--:|\n| x\\|y\\\\\\n | 1 |\n|  | 20 |\n"
    )
    assert written(hard, Format.line).decode() == (
        "-- 1 --\na|b = x|y\\\\n\n  n = 1\n-- 2 --\na|b = NULL\n  n = 20\n"
    )
