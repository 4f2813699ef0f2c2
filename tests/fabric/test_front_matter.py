"""One value of a product's metadata changed, and everything else as it stood."""

from __future__ import annotations

import pytest
import yaml

from fabric.errors import NotSupported
from fabric.front_matter import file_text, front_text, scalar, with_value
from fabric.products import split

BLOCK = """# who
owner: me   # at night too
description: >
  Two
  lines.
columns:
  # keys first
  a:
    type: BIGINT   # exact
    description: 'old'
  b: {type: VARCHAR}   # text
  c:
status: draft"""


@pytest.mark.parametrize(
    ("front", "path", "changed"),
    [
        ("", ("description",), 'description: "new one"'),
        ("owner: me", ("description",), 'description: "new one"\nowner: me'),
        ("description:", ("description",), 'description: "new one"'),
        ("description: old # why", ("description",), 'description: "new one" # why'),
        ("{owner: me}", ("description",), '{description: "new one", owner: me}'),
        ("{}", ("description",), '{description: "new one"}'),
        ("columns: {}", ("columns", "a", "description"), 'columns: {a: {description: "new one"}}'),
        ("columns:", ("columns", "a", "description"), 'columns: {a: {description: "new one"}}'),
        (
            "columns: {a: {type: X}}",
            ("columns", "A", "description"),
            'columns: {a: {description: "new one", type: X}}',
        ),
        ("# only a comment", ("description",), '# only a comment\ndescription: "new one"'),
    ],
)
def test_a_value_is_put_where_it_belongs(front: str, path: tuple[str, ...], changed: str) -> None:
    assert with_value(front, path, "new one") == changed


def test_comments_and_layout_stay() -> None:
    assert with_value(BLOCK, ("description",), "x y") == BLOCK.replace(">\n  Two\n  lines.\n", '"x y"\n')
    assert with_value(BLOCK, ("status",), "active") == BLOCK.replace("status: draft", "status: active")
    assert with_value(BLOCK, ("columns", "a", "description"), "x y") == BLOCK.replace("'old'", '"x y"')
    assert with_value(BLOCK, ("columns", "b", "description"), "x y") == BLOCK.replace(
        "{type: VARCHAR}", '{description: "x y", type: VARCHAR}'
    )
    assert with_value(BLOCK, ("columns", "c", "description"), "x y") == BLOCK.replace(
        "  c:", '  c: {description: "x y"}'
    )
    new = with_value(BLOCK, ("columns", "d", "description"), "x y")
    assert yaml.safe_load(new)["columns"]["d"] == {"description": "x y"}
    assert [line for line in BLOCK.splitlines() if line not in new.splitlines()] == []


@pytest.mark.parametrize(
    "front",
    [
        "columns: &all {a: {description: x}, b: *all}",
        "base: &b {description: x}\ncolumns: {a: *b, c: *b}",
        "columns: [a, b]",
        "[1, 2]",
        "a: [",
        "columns: text",
    ],
)
def test_what_cannot_be_changed_alone_is_refused(front: str) -> None:
    with pytest.raises(NotSupported, match="cannot be changed by a statement"):
        with_value(front, ("columns", "a", "description"), "new")


@pytest.mark.parametrize(
    "text",
    ["", "plain", "yes", "null", "1.2.3", "12", "it's", '"quoted"', "a: b", "# no comment", "---*/", "*/ /*", "a\nb", "\t", "é😀", "\x07", "&a", "*a", "x" * 500],
)  # fmt: skip
def test_every_text_is_read_as_it_was(text: str) -> None:
    front = front_text({"description": text, "owner": text})
    assert "*/" not in front
    assert "\n" not in scalar(text)
    whole = file_text(front, "SELECT 1")
    read, sql = split(whole)
    assert sql == "SELECT 1"
    assert yaml.safe_load(read or "") == {"description": text, "owner": text}
