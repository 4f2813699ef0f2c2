"""Why a user sees what they see, for whoever holds the project directory."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fabric.errors import InvalidValue, NotFound
from server.app import build
from server.why import explain_access
from tests.policies.governed import company

_RULES = {
    "federation": "p2, role:*, crm.customer, tag:pii, null\ng, zoe, role:analyst\n",
    "claims": """p3, role:analyst, lake.claim, region = attr('region')
p2, role:analyst, claims.claim, ssn, hide
p2, role:lead, claims.claim, note, hash
""",
    "crm": "p2, role:analyst, crm.customer, email, clear\np2, role:*, crm.customer, name, first(1)\n",
}
_USERS = """users:
  ana: {password: "${env:NOT_SET}", roles: [role:analyst], attributes: {region: EU}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("acme")
    with company(directory, _RULES):
        pass
    (directory / "users.yaml").write_text(_USERS)
    return directory


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_SET", "$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA")


def test_every_rule_that_decides_is_named_with_file_and_line(project: Path) -> None:
    assert list(explain_access(project, "ana", "claims.claim")) == [
        "claims.claim  ana: allowed  read  (policies/federation.csv:1)",
        "claims.claim  ana: column  ssn: hide  (policies/claims.csv:2)",
        "lake.main.claim  domain:claims: allowed  read  (fabric.yaml: domains.claims)",
        "lake.main.claim  ana: rows  region = attr('region')  (policies/claims.csv:1)",
        "the query  ana: answers",
    ]


def test_of_a_column_only_what_is_said_of_it_and_which_rule_counts(project: Path) -> None:
    lines = list(explain_access(project, "ana", "CRM.customer.Email"))
    assert lines[:3] == [
        "crm.customer  ana: allowed  read  (policies/federation.csv:2)",
        "crm.customer  ana: column  email: null  (policies/federation.csv:6)",
        "crm.customer  ana: overruled  email: clear  (policies/crm.csv:1)",
    ]
    assert not any("name: " in line for line in lines)


def test_a_product_on_products_is_explained_to_the_leaves(project: Path) -> None:
    text = "\n".join(explain_access(project, "ana", "claims.open"))
    for name in ("claims.open", "lake.main.claim", "crm.customer", "crm_db.main.customer"):
        assert f"\n{name}  " in f"\n{text}"
    assert "crm.customer  domain:claims: allowed  read  (policies/federation.csv:4)" in text


def test_a_table_is_explained_by_two_parts_and_by_three(project: Path) -> None:
    for name in ("crm_db.customer", "crm_db.main.customer", "crm_db.main.customer.email"):
        (first, *_) = explain_access(project, "ana", name)
        assert first == "crm_db.main.customer  ana: not granted  no rule lets it be read"


def test_roles_and_attributes_make_it_hypothetical(project: Path) -> None:
    lines = list(explain_access(project, "ana", "claims.claim", ["role:lead"], ["region=US"]))
    assert "claims.claim  ana: column  note: hash  (policies/claims.csv:3)" in lines
    (*_, verdict) = explain_access(project, "role:analyst", "claims.claim")
    assert verdict.endswith(
        "refused  ACCESS_DENIED: a policy needs your attribute 'region', which is not set"
    )
    (*_, verdict) = explain_access(project, "role:analyst", "claims.claim", [], ["region=EU"])
    assert verdict == "the query  somebody: answers"


def test_of_a_user_who_is_not_in_users_yaml_it_is_said_so(project: Path) -> None:
    first, *others = explain_access(project, "zoe", "crm.customer")
    assert first == "'zoe' is not in users.yaml: nothing is known of them but what is said here"
    assert "crm.customer  zoe: allowed  read  (policies/federation.csv:2)" in others
    assert list(explain_access(project, "anna", "crm.customer"))[1] == (
        "crm.customer  anna: not granted  no rule lets it be read"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("crm.nothing", "an object is"),
        ("crm.custmer", "did you mean 'crm.customer'? an object is"),
        ("crm_db.custmer", "did you mean 'crm_db.customer'? an object is"),
        ("crm", "an object is"),
        ("nothing", "an object is"),
        ("", "an object is"),
        ("crm.customer.emial", "did you mean 'email'?"),
        ('crm."; DROP TABLE x; --', "an object is"),
        ("crm.customer; SELECT 1", "an object is"),
    ],
)
def test_what_is_not_there_is_an_error(project: Path, name: str, hint: str) -> None:
    with pytest.raises(NotFound) as refused:
        list(explain_access(project, "ana", name))
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize("file", ["crm", "federation"])
def test_a_file_that_does_not_load_is_the_reason(project: Path, file: str) -> None:
    """Not that no rule lets it be read: the rules that would are not known."""
    policies = project / "policies" / f"{file}.csv"
    text = policies.read_text()
    policies.write_text("p, ana, crm.customer, read, Deny\n")
    try:
        found = list(explain_access(project, "ana", "crm.customer"))
    finally:
        policies.write_text(text)
    assert (
        f"crm.customer  ana: not granted  nobody may read it, for policies/{file}.csv does not load" in found
    )
    assert "no rule lets" not in "".join(found)


@pytest.mark.parametrize("name", ["domain:crm", "domain:", "role:*", "*", "grp:x"])
def test_who_cannot_ask_is_an_error(project: Path, name: str) -> None:
    """A domain, and everyone at once: what was told of them would be what is told of a name that nobody bears."""
    with pytest.raises(InvalidValue) as refused:
        list(explain_access(project, name, "crm.customer"))
    assert "role:<name>" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("roles", "attributes", "hint"),
    [(["lead"], [], "role:lead"), ([], ["region"], "name=value"), ([], ["=EU"], "name=value")],
)
def test_a_role_or_an_attribute_that_is_not_written_so_is_an_error(
    project: Path, roles: list[str], attributes: list[str], hint: str
) -> None:
    """A role without its prefix would be none at all, and whoever asks would not notice."""
    with pytest.raises(InvalidValue) as refused:
        list(explain_access(project, "ana", "crm.customer", roles, attributes))
    assert hint in (refused.value.hint or "")


def test_nothing_is_recorded_as_asked_by_the_one_about_whom_is_asked(project: Path) -> None:
    list(explain_access(project, "ana", "claims.claim"))
    with closing(build(project)) as app:
        assert app.journal.queries(None) == []


def test_what_an_object_may_not_be_combined_with_is_listed(tmp_path: Path) -> None:
    rules = {
        "federation": _RULES["federation"] + 'p4, role:analyst, lake.claim, fraud.*, never, "board 12"\n',
        "claims": 'p4, ana, crm.customer, claims.claim, never, "marketing may not"\np4, bo, claims.claim, crm.*, never, x\n',
    }
    with company(tmp_path, rules):
        pass
    (tmp_path / "users.yaml").write_text(_USERS)

    def combined(found: str) -> list[str]:
        return [line for line in explain_access(tmp_path, "ana", found) if "combination" in line]

    line = len((tmp_path / "policies" / "federation.csv").read_text().splitlines())
    assert combined("claims.claim") == [
        "claims.claim with crm.customer  ana: combination  marketing may not  (policies/claims.csv:1)",
        f"lake.main.claim with fraud.*  ana: combination  board 12  (policies/federation.csv:{line})",
    ]
    assert combined("crm.customer") == [
        "crm.customer with claims.claim  ana: combination  marketing may not  (policies/claims.csv:1)"
    ]
