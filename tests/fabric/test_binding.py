"""Parameters as literals: a value's text never becomes syntax."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from fabric.binding import bound
from fabric.errors import FabricError, InvalidValue
from fabric.parse import parameter_count, parse
from fabric.types import Written


def back(value: object) -> object:
    return duckdb.sql(f"SELECT {bound(value).sql(dialect='duckdb')}").fetchall()[0][0]


@pytest.mark.parametrize(
    "name", ["a'b", 'a"b', "a\\", "'; drop", "', 'x': (SELECT 1)) --", "ü b", "1", "{", "\n"]
)
def test_a_field_s_name_is_a_name(name: str) -> None:
    assert back({name: [{"z'": "it's"}]}) == {name: [{"z'": "it's"}]}


@pytest.mark.parametrize(
    "value", [dt.timedelta(-1, 5), dt.timedelta.max, dt.timedelta.min, dt.timedelta(0, 0, 1)]
)
def test_a_duration_is_an_interval(value: dt.timedelta) -> None:
    assert back(value) == value


def test_what_is_written_is_read_as_its_type() -> None:
    assert bound(Written("it's", "TIMESTAMP_NS")).sql(dialect="duckdb") == "CAST('it''s' AS TIMESTAMP_NS)"


def test_another_type_is_refused() -> None:
    with pytest.raises(InvalidValue, match="complex"):
        bound([1j])


@pytest.mark.parametrize("number", ["0", "65536", "999999999", "9" * 5000])
def test_a_parameter_s_number_does_not_say_how_many_there_are_to_be(number: str) -> None:
    with pytest.raises(FabricError, match=r"numbered from|cannot be read"):
        parameter_count(parse(f"SELECT ${number}"))


def test_the_last_number_is_one() -> None:
    assert parameter_count(parse("SELECT $65535")) == 65_535
