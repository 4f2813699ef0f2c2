"""A client on pyarrow 18, two years older than the server's, in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import ROOT, Fabric, said

pytestmark = pytest.mark.clients
shows = pytest.mark.shows


@pytest.fixture(scope="module")
def answers(fabric: Fabric, needed: Callable[[Path], Path]) -> dict[str, Any]:
    python = needed(ROOT / ".venv-pyarrow18" / "bin" / "python")
    return said([python, Path(__file__).with_name("ask_pyarrow18.py"), str(fabric.port)])


@shows("pyarrow 18", "queries")
def test_an_older_arrow_reads_what_it_was_promised(answers: dict[str, Any]) -> None:
    assert answers["version"].startswith("18.")
    assert answers["rows"] == 132
    assert answers["same schema"] is True


@shows("pyarrow 18", "result types")
def test_an_older_arrow_knows_every_type(answers: dict[str, Any]) -> None:
    assert answers["types"] == [
        *("uint8", "string", "list<l: decimal128(9, 2)>", "struct<a: int32>", "map<string, int32>"),
        *("string", "month_day_nano_interval", "timestamp[us, tz=UTC]", "binary"),
    ]


@shows("pyarrow 18", "catalog")
def test_an_older_arrow_reads_metadata(answers: dict[str, Any]) -> None:
    assert answers["catalogs"] == ["acme", "desk", "lake"]
    assert answers["tables"] > 10


@shows("pyarrow 18", "server information")
def test_an_older_arrow_reads_server_information(answers: dict[str, Any]) -> None:
    assert answers["info"] > 50


@shows("pyarrow 18", "errors")
def test_an_older_arrow_sees_the_code(answers: dict[str, Any]) -> None:
    assert "NOT_FOUND: there is no 'lake.nothing'" in answers["refused"]
