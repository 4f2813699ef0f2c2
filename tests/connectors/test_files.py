"""What every source of files shares, tried on a folder of this machine."""

from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from connectors.files import FileSourceSettings
from connectors.globs import compile_glob
from connectors.local import LocalConnector, LocalSettings
from fabric.errors import BadData, Cancelled, SourceChanged
from fabric.spi import FileConnector, ScanContext
from fabric.types import FileLayout

NAMES = [
    "a.csv",
    ".h.csv",
    "A.csv",
    "b/a.csv",
    "b/.x/a.csv",
    "b/c/d/a.csv",
    "b/k=1/p.csv",
    "b/[x].csv",
    "b/z-1.csv",
    "b/^.csv",
    "_t/a.csv",
]
PATTERNS = [
    "*.csv",
    "**/*.csv",
    "**",
    "b/**",
    "b/**/a.csv",
    "*/a.csv",
    "b/?.csv",
    "b/[a-z]*.csv",
    "b/[!a-z]*",
    "[aA].csv",
    "b/[[]x].csv",
    "b/*/*",
    "b/[z]-1.csv",
    "b/[^].csv",
    "b/**/d/*",
]


def source(folder: Path, **keys: object) -> LocalConnector:
    settings = LocalSettings.model_validate({"type": "local", "domain": "claims", "uri": ".", **keys})
    return LocalConnector("desk", settings, folder)


def write(folder: Path, name: str, text: str = "a\n1\n") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_glob_matches_what_duckdb_matches(tmp_path: Path, pattern: str) -> None:
    for name in NAMES:
        write(tmp_path, name)
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT file FROM glob(?)", [f"{tmp_path}/{pattern}"]).fetchall()
    expected = sorted(row[0].removeprefix(f"{tmp_path}/") for row in rows)
    found = source(tmp_path).files(FileLayout(pattern, "csv", declared={"a": "BIGINT"}))
    assert [file.path for file in found] == expected


def test_brackets_without_an_end_are_plain_characters() -> None:
    assert compile_glob("a[b").fullmatch("a[b")
    assert compile_glob("a[]").fullmatch("a[]")


@pytest.mark.parametrize(
    "path", ["../x.csv", "/etc/passwd", "a/../../b.csv", "a//b.csv", "./a.csv", "", "..\\x", "a[z-a]"]
)
def test_a_path_that_leaves_the_source_or_is_no_glob_is_refused(path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FileSourceSettings.model_validate(
            {"type": "local", "domain": "d", "uri": ".", "tables": {"t": {"path": path, "format": "csv"}}}
        )
    assert caught.value.errors()[0]["loc"][:2] == ("tables", "t")


def test_tables_carry_their_layout(tmp_path: Path) -> None:
    made = source(
        tmp_path,
        tables={
            "note": {
                "path": "notes/**/*.jsonl",
                "format": "json",
                "partitioning": "hive",
                "columns": {"id": "BIGINT", "text": {"tags": ["pii"]}},
                "options": {"maximum_depth": 2},
                "description": "Notes",
            }
        },
    )
    (table,) = made.tables()
    assert isinstance(made, FileConnector)
    assert str(table.name) == "desk.note"
    assert table.comment == "Notes"
    assert table.layout == FileLayout(
        "notes/**/*.jsonl",
        "json",
        True,
        {"maximum_depth": 2},
        {"id": "BIGINT"},
        {"id": ("", ()), "text": ("", ("pii",))},
    )


def test_no_file_and_no_declared_columns_is_an_error_that_names_the_pattern(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no file matches 'x/\*\.csv'") as caught:
        source(tmp_path).files(FileLayout("x/*.csv", "csv"))
    assert "declare its columns" in caught.value.hint


def test_no_file_with_declared_columns_is_an_empty_table(tmp_path: Path) -> None:
    assert source(tmp_path).files(FileLayout("x/*.csv", "csv", declared={"a": "BIGINT"})) == ()


def test_a_listing_is_kept_for_max_age_and_forgotten_when_a_file_proves_changed(tmp_path: Path) -> None:
    layout = FileLayout("*.csv", "csv")
    write(tmp_path, "a.csv")
    made = source(tmp_path, max_age="1h")
    (file,) = made.files(layout)
    write(tmp_path, "b.csv")
    assert made.files(layout) == (file,)
    write(tmp_path, "a.csv", "a\n1\n2\n")
    with pytest.raises(SourceChanged):
        made.read(file, [(0, 1)], ScanContext())
    assert [file.path for file in made.files(layout)] == ["a.csv", "b.csv"]


def test_a_listing_is_made_afresh_without_max_age(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    made = source(tmp_path)
    made.files(FileLayout("*.csv", "csv"))
    write(tmp_path, "b.csv")
    assert len(made.files(FileLayout("*.csv", "csv"))) == 2


def test_a_cancelled_query_reads_nothing_more(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    made = source(tmp_path)
    (file,) = made.files(FileLayout("a.csv", "csv"))
    context = ScanContext()
    context.cancel()
    with pytest.raises(Cancelled):
        made.read(file, [(0, 1)], context)


def test_identity_holds_over_a_reload_and_differs_between_stores(tmp_path: Path) -> None:
    same = source(tmp_path, tables={"t": {"path": "a.csv", "format": "csv"}}, timeout="5s")
    assert source(tmp_path).identity == same.identity
    assert source(tmp_path).identity != source(tmp_path, uri="other").identity
