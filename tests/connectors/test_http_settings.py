from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.http.settings import HttpSettings, RestTableSettings
from fabric.settings import FileTableSettings

# As in DESIGN 1.2, but for ${env:…}.
DESIGN = {
    "type": "http",
    "domain": "fraud",
    "uri": "http://127.0.0.1:8001",
    "auth": {"bearer": "hush"},
    "rate_limit": "50/s",
    "tables": {
        "score": {
            "path": "/v1/scores",
            "records": "$.items",
            "columns": {"claim_id": "BIGINT", "score": "DOUBLE", "scored_at": "TIMESTAMP"},
            "params": {
                "claim_id": {"name": "id", "op": "in", "max_values": 50},
                "scored_at": {"name": "since", "op": ">="},
            },
            "pagination": {"type": "cursor", "param": "cursor", "next": "$.next"},
        },
        "tariff": {"path": "files/tariff.parquet", "format": "parquet"},
    },
}


def table(**keys: Any) -> HttpSettings:
    rest = {"path": "/t", "columns": {"a": "BIGINT", "b": "VARCHAR"}, **keys}
    return HttpSettings.model_validate({"domain": "d", "uri": "https://api.example", "tables": {"t": rest}})


def message(call: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        call()
    return str(caught.value)


def test_the_example_of_the_design_loads():
    settings = HttpSettings.model_validate(DESIGN)
    score, tariff = settings.tables["score"], settings.tables["tariff"]
    assert isinstance(score, RestTableSettings)
    assert isinstance(tariff, FileTableSettings)
    assert settings.rate_limit == 50
    assert score.params["claim_id"][0].max_values == 50


def test_defaults_are_those_of_the_contract():
    score = HttpSettings.model_validate(DESIGN).tables["score"]
    assert isinstance(score, RestTableSettings)
    (param,) = score.params["scored_at"]
    assert (param.style, param.exact, param.required, param.format) == ("repeat", True, False, None)
    page = table(pagination={"type": "page", "param": "p"}).tables["t"]
    offset = table(pagination={"type": "offset", "param": "o"}).tables["t"]
    assert page.pagination.start == 1
    assert offset.pagination.start == 0


def test_secrets_are_not_shown():
    settings = HttpSettings.model_validate({**DESIGN, "headers": {"x-key": "hush2"}})
    assert "hush" not in repr(settings)
    assert "hush" not in settings.model_dump_json()


def test_a_schema_for_editors_can_be_made():
    assert "pagination" in json.dumps(HttpSettings.model_json_schema())


@pytest.mark.parametrize("style", ["cursor", "page", "offset", "link"])
def test_a_total_is_a_path_or_a_header(style):
    needs = {} if style == "link" else {"param": "p", **({"next": "$.n"} if style == "cursor" else {})}
    for total in ("$.meta.count", "$['a b']", "X-Total-Count", "Content-Range"):
        assert (
            table(pagination={"type": style, **needs, "total": total}).tables["t"].pagination.total == total
        )
    for total, said in (("meta.count", "X-Total-Count"), ("", "X-Total-Count"), ("$.a[0]", "is not a path")):
        wrong = {"type": style, **needs, "total": total}
        assert said in message(lambda wrong=wrong: table(pagination=wrong))


@pytest.mark.parametrize(
    ("auth", "valid"),
    [
        ({"bearer": "x"}, True),
        ({"basic": {"user": "u", "password": "p"}}, True),
        ({"header": {"X-Api-Key": "k"}}, True),
        ({"oauth2": {"token_url": "https://t.example/token", "client_id": "c", "client_secret": "s"}}, True),
        ({}, False),
        ({"bearer": "x", "header": {"X-Api-Key": "k"}}, False),
    ],
)
def test_auth_is_exactly_one_of_four(auth, valid):
    settings = {**DESIGN, "auth": auth}
    if valid:
        HttpSettings.model_validate(settings)
    else:
        assert "exactly one" in message(lambda: HttpSettings.model_validate(settings))


@pytest.mark.parametrize(
    "uri",
    ["ftp://h/", "http://", "https://user:pw@h/", "https://h/?key=1", "https://h/#x"],
)
def test_an_address_that_is_no_plain_web_address_is_refused(uri):
    text = message(lambda: HttpSettings.model_validate({**DESIGN, "uri": uri}))
    assert "pw" not in text


@pytest.mark.parametrize("path", ["files/*.csv", "files/a?.csv", "files/[ab].csv", "a/../b.csv", "a//b.csv"])
def test_a_glob_is_refused_with_what_to_do_instead(path):
    wrong = {**DESIGN, "tables": {"t": {"path": path, "format": "csv"}}}
    assert "one table per file" in message(lambda: HttpSettings.model_validate(wrong))


def test_members_of_an_archive_may_be_a_glob():
    HttpSettings.model_validate({**DESIGN, "tables": {"t": {"path": "a.zip!/*.csv", "format": "csv"}}})


@pytest.mark.parametrize("path", ["$.items[0]", "$..x", "items", "$.items[?(@.a)]", "$.a[*].b", ""])
def test_other_json_paths_are_refused(path):
    assert "is not a path" in message(lambda: table(records=path))


@pytest.mark.parametrize("path", ["$", "$.items", "$.a.b", "$.items[*]", "$['a b'].c"])
def test_dotted_json_paths_are_taken(path):
    assert table(records=path).tables["t"].records == path


def test_an_unknown_type_is_refused_by_name():
    assert "column 'a'" in message(lambda: table(columns={"a": "BIGIMT"}))
    assert "BLOB is not a type" in message(lambda: table(columns={"a": "BLOB"}))


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"params": {"c": {}}}, "'c' is not one of the columns"),
        ({"path": "/t/{c}"}, "'c' is not one of the columns"),
        ({"path": "/t/{a"}, "braces"),
        ({"path": "/t/{a}", "params": {"a": {"op": "in"}}}, "stands in the path"),
        ({"params": {"a": [{}, {"op": "in", "name": "x"}]}}, "two parameters for one operator"),
        ({"params": {"a": {"name": "x"}, "b": {"name": "x"}}}, "have one name"),
        ({"params": {"a": {"name": "p"}}, "pagination": {"type": "page", "param": "p"}}, "have one name"),
        ({"pagination": {"type": "page", "param": "p", "size": 5}}, "go together"),
        ({"pagination": {"type": "offset", "param": "p", "limit": 5}}, "go together"),
        ({"columns": {"a": "INT", "A": "INT"}}, "differ only by case"),
        ({"columns": {"a": {"type": "INT", "format": "epoch"}}}, "needs a DATE"),
        ({"pagination": {"type": "scroll"}}, "pagination"),
        ({"pages": 3}, "pages"),
    ],
)
def test_a_declaration_that_cannot_hold_is_refused(keys, text):
    assert text in message(lambda: table(**keys))


def test_a_column_may_have_a_parameter_for_each_operator():
    made = table(params={"a": [{"op": "in", "name": "id"}, {"op": ">=", "name": "from"}]}).tables["t"]
    assert [param.op for param in made.params["a"]] == ["in", ">="]
