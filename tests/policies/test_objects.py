import pytest
from pydantic import Field

from fabric.naming import default_schema
from fabric.settings import FileTableSettings, SourceSettings
from fabric.types import TableName
from policies.objects import Estate, covers, patterns_over
from tests.policies.estate import ESTATE

SEVERAL = Estate("acme", {"crm": "carla"}, {"db": "crm"}, {"db": ""})


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (TableName("acme", "claims", "Open_Claims"), ("claims", "open_claims")),
        (TableName("acme", "claims", "open_claims@2"), ("claims", "open_claims")),
        (TableName("Policy_DB", "public", "policy"), ("policy_db", "public", "policy")),
        (TableName("claims_lake", "main", "claim@1"), ("claims_lake", "main", "claim@1")),
        (TableName("policy_db", "public", "a.b*"), ("policy_db", "public", "a%2eb%2a")),
        (TableName("acme", "system", "queries"), ("system", "queries")),
    ],
)
def test_a_relation_has_canonical_parts(name: TableName, parts: tuple[str, ...]) -> None:
    assert ESTATE.parts(name) == parts


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("*", "*"),
        ("claims.*", "claims.*"),
        ("policy_db.public.*", "policy_db.public.*"),
        ("policy_db.policy", "policy_db.public.policy"),
        ("claims_lake.claim", "claims_lake.main.claim"),
        ('policy_db.public."a.b"', "policy_db.public.a%2eb"),
        ('policy_db.public."My Table"', "policy_db.public.my table"),
        ("system.queries", "system.queries"),
    ],
)
def test_a_rules_object_has_a_canonical_pattern(text: str, pattern: str) -> None:
    assert ESTATE.parse_pattern(text) == pattern


def test_where_a_source_has_several_schemas_a_rule_must_say_which() -> None:
    with pytest.raises(ValueError, match=r"write db\.<schema>\.customer"):
        SEVERAL.parse_pattern("db.customer")
    assert SEVERAL.parse_pattern("db.crm.customer") == "db.crm.customer"
    assert SEVERAL.parse_pattern("db.*") == "db.*"


def test_the_default_schema_is_the_only_one_or_main_where_a_source_has_none() -> None:
    class Files(SourceSettings):
        tables: dict[str, FileTableSettings] = Field(default_factory=dict)

    class Database(SourceSettings):
        schemas: tuple[str, ...] = ()
        tables: dict[str, str] = Field(default_factory=dict)

    class Unknown(SourceSettings):
        dialect: str = "snowflake"
        tables: dict[str, str] = Field(default_factory=dict)

    assert default_schema(Files(type="x", domain="d")) == "main"
    assert default_schema(Database(type="x", domain="d", schemas=("public",))) == "public"
    assert default_schema(Database(type="x", domain="d", schemas=("a", "public"))) == "public"
    assert default_schema(Database(type="x", domain="d", schemas=("a", "b"))) == ""
    assert default_schema(Database(type="x", domain="d")) == ""
    assert default_schema(Unknown(type="x", domain="d")) == ""


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("*", "claims.x", True),
        ("*", "policy_db.public.policy", True),
        ("*", "system.queries", False),
        ("*", "information_schema.tables", False),
        ("claims.*", "claims.x", True),
        ("claims.*", "claims_lake.main.x", False),
        ("policy_db.*", "policy_db.public.policy", True),
        ("policy_db.public.*", "policy_db.public.policy", True),
        ("policy_db.public.*", "policy_db.private.policy", False),
        ("policy_db.public.policy", "policy_db.public.policy", True),
        ("policy_db.public.policy", "policy_db.public.policy2", False),
        ("system.*", "system.queries", True),
    ],
)
def test_a_pattern_covers_its_objects_and_no_other(pattern: str, name: str, covered: bool) -> None:
    assert covers(pattern, name) is covered
    assert (pattern in set(patterns_over(name.split(".")))) is covered


@pytest.mark.parametrize("text", ["", ".", "x", "a.", "policy_db..b", "acme.x"])
def test_text_that_names_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an object is"):
        ESTATE.parse_object(text)


def test_an_object_may_be_named_as_a_plain_join_of_its_parts() -> None:
    assert ESTATE.parse_object("policy_db.public.my table") == ("policy_db", "public", "my table")
    assert ESTATE.parse_object("policy_db.public.a.b") == ("policy_db", "public", "a%2eb")
    assert ESTATE.parse_object('policy_db.public."a.b"') == ("policy_db", "public", "a%2eb")
    assert ESTATE.parse_object("acme.claims.x") == ("claims", "x")
