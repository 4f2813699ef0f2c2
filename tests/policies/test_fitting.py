"""Whether rules fit what there is: each kind of misfit with its file and line, and nothing told of rules that fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fabric.errors import FabricError
from policies.fitting import Fitting
from policies.govern import CasbinGovernor
from policies.objects import estate_of
from server.project_check import check_rules_and_products, known_objects
from tests.policies.governed import ANA, OPEN, App, company, rows

FIRST = OPEN.count("\n") + 1
"""The line of federation.csv on which a test's own rules begin."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A company whose rules its tests replace."""
    with company(tmp_path_factory.mktemp("company"), {}) as app:
        yield app


def judged(app: App, **files: str) -> Fitting:
    """What is told of the rules of these files."""
    folder = app.config.directory / "policies"
    for file in ("federation", "claims", "crm", "fraud"):
        text = (OPEN if file == "federation" else "") + files.get(file, "")
        (folder / f"{file}.csv").write_text(text, encoding="utf-8")
    governor = CasbinGovernor(app.config.directory, estate_of(app.config))
    assert governor.errors() == ()
    return governor.fitting(*known_objects(app))


# ── rows ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("p3, role:*, crm.customer, nope = 1", "no column"),
        ("p3, role:*, crm.customer, customer_id", "it is a BIGINT, and must be true or false"),
        ("p3, role:*, crm.customer, name || 'x'", "must be true or false"),
        (
            'p3, role:*, crm.customer, "customer_id IN (SELECT CAST(region AS BIGINT) FROM crm_db.territory)"',
            "must not be able to raise",
        ),
        (
            'p3, role:*, crm_db.customer, "region IN (SELECT region FROM crm.customer)"',
            "reads the object itself",
        ),
        ('p3, role:*, crm.customer, "region IN (SELECT region FROM lake.claim)"', "domain:crm may not"),
        ('p3, role:*, crm.customer, "region IN (SELECT region FROM crm_db.nowhere)"', "no 'crm_db.nowhere'"),
        ('p3, role:*, crm.customer, "region IN (SELECT nope FROM crm_db.territory)"', "nope"),
        ("p3, role:*, crm.customer, \"attr('x', 'DATE') + name = current_date\"", "types"),
    ],
)
def test_a_row_rule_that_does_not_fit_is_told_with_file_and_line(app: App, rule: str, why: str) -> None:
    (told,) = judged(app, crm=f"# a comment\n{rule}\n").misfits
    assert told.startswith("policies/crm.csv:2: ")
    assert why in told
    assert told.endswith(("(crm.customer)", "(crm_db.main.customer)"))


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "region = attr('region')",
        "region IN attrs('regions')",
        "region = ANY(attrs('regions'))",
        "customer_id > attr('least', 'BIGINT') AND attr('open', 'BOOLEAN')",
        "customer_id < attr('most', 'DECIMAL(9,2)') AND customer_id < attr('most', 'DOUBLE')",
        "current_date < attr('until', 'DATE') OR now() < attr('until', 'TIMESTAMP') OR attr('until') = 'x'",
        "name = user() OR has_role('lead')",
        "CAST(code AS INTEGER) > 1",
        "region IN (SELECT region FROM crm_db.territory WHERE keeper = user())",
        "customer.region = 'EU' AND main.customer.name IS NOT NULL",
    ],
)
def test_a_row_rule_that_fits_is_not_told_whatever_it_asks_of_the_asker(app: App, condition: str) -> None:
    found = judged(app, crm=f'p3, role:*, crm_db.customer, "{condition}"\n')
    assert (found.misfits, found.unjudged) == ((), ())


def test_what_is_told_refuses_and_what_is_not_told_answers(tmp_path: Path) -> None:
    """The judgement is that of a query: the same rule, the same verdict."""
    rules = {
        "crm": "p3, role:analyst, crm.customer, region = attr('region')\np2, role:*, crm.customer, email, email\n",
        "claims": "p3, role:analyst, claims.claim, nope = 1\n",
    }
    with company(tmp_path, rules) as app:
        told = app.governor.fitting(*known_objects(app)).misfits
        assert [text.partition(": ")[0] for text in told] == ["policies/claims.csv:1"]
        assert rows(app, "SELECT name FROM crm.customer") == [("Ana",)]
        with pytest.raises(FabricError):
            rows(app, "SELECT * FROM claims.claim", ANA)


def test_the_federation_reads_everything_and_a_domain_what_it_may(app: App) -> None:
    rule = 'p3, role:*, crm.customer, "customer_id IN (SELECT customer_id FROM lake.claim)"\n'
    assert judged(app, federation=rule).misfits == ()
    assert len(judged(app, crm=rule).misfits) == 1


def test_a_rule_over_many_objects_is_judged_on_each_and_told_once_a_reason(app: App) -> None:
    (told,) = judged(app, federation="p3, role:*, claims.*, claim_id > 0\n").misfits
    assert told.startswith(f"policies/federation.csv:{FIRST}: ")
    assert told.endswith("(claims.contacts, claims.totals)")
    (many,) = judged(app, federation="p3, role:*, *, zq = 1\n").misfits
    assert many.endswith(" and 8 more)")


# ── columns ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("p2, role:*, crm.customer, nope, hide", "there is no column 'nope'"),
        ("p2, role:*, crm.customer, nope, clear", "there is no column 'nope'"),
        ("p2, role:*, crm.customer, customer_id, email", "does not fit column 'customer_id'"),
        ("p2, role:*, crm.customer, name, bucket(10)", "does not fit column 'name'"),
        ("p2, role:*, crm.customer, tag:email, year", "does not fit column 'email'"),
        ("p2, role:*, crm.customer, name, sql:value + true", "does not fit column 'name'"),
        ("p2, role:*, crm.customer, *, hide", "it leaves no column to be seen"),
        ("p2, role:*, crm.customer, n*, sql:email", "the mask names 'email'"),
    ],
)
def test_a_column_rule_that_does_not_fit_is_told_with_file_and_line(app: App, rule: str, why: str) -> None:
    (told,) = judged(app, crm=f"\n\n{rule}\n").misfits
    assert told.startswith("policies/crm.csv:3: ")
    assert why in told
    assert told.endswith("(crm.customer)")


@pytest.mark.parametrize(
    "rule",
    [
        "p2, role:*, crm.customer, EMAIL, email",
        "p2, role:*, crm.customer, name, \"sql:left(value, attr('shown', 'INTEGER')) || attr('tail')\"",
        "p2, role:*, crm.customer, region, sql:CAST(value AS INTEGER)",
        "p2, role:*, crm.*, tag:email, hash",
        "p2, role:*, *, tag:email, hash",
        "p2, role:*, crm.customer, customer_id, bucket(10)",
    ],
)
def test_a_column_rule_that_fits_is_not_told(app: App, rule: str) -> None:
    found = judged(app, federation=f"{rule}\n")
    assert (found.misfits, found.warnings) == ((), ())


def test_a_mask_that_came_with_a_tag_to_a_column_of_another_type_is_no_misfit(tmp_path: Path) -> None:
    products = {"claims/lengths": "SELECT length(email) AS n FROM crm.customer"}
    with company(tmp_path, {"federation": "p2, role:*, *, tag:email, email\n"}, products) as app:
        assert app.governor.fitting(*known_objects(app)).misfits == ()


# ── warnings, and what is not judged ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        ("p, role:x, crm.nothing, read, allow", "crm.nothing"),
        ("p2, role:x, crm_db.nothing, a, hide", "crm_db.main.nothing"),
        ("p3, role:x, crm_db.other.*, true", "crm_db.other.*"),
        ("p4, role:x, crm.customer, claims.nothing, never, because", "claims.nothing"),
        ("p, role:x, system.nothing, read, allow", "system.nothing"),
    ],
)
def test_a_rule_on_nothing_is_a_warning(app: App, rule: str, pattern: str) -> None:
    found = judged(app, federation=f"{rule}\n")
    assert found.warnings == (f"policies/federation.csv:{FIRST}: '{pattern}' covers nothing that there is",)
    assert found.misfits == ()


@pytest.mark.parametrize(
    "rule",
    [
        "p, role:nobody, crm.*, read, allow",
        "p, role:x, *, read, deny",
        "p, role:x, system.queries, read, allow",
        "p, role:x, crm_db.*, read, allow",
        "p4, role:x, crm.customer, claims.*, never, because",
    ],
)
def test_a_rule_on_something_is_none(app: App, rule: str) -> None:
    assert judged(app, federation=f"{rule}\n").warnings == ()


def test_a_domains_star_means_all_that_it_has(app: App) -> None:
    """Its products and its sources: one of them being empty is no reason to warn."""
    assert judged(app, crm="p, role:x, *, read, allow\n").warnings == ()


@pytest.mark.parametrize("column", ["tag:emial", "zq*", "zq"])
def test_a_mask_for_columns_that_nothing_has_is_a_warning(app: App, column: str) -> None:
    (told,) = judged(app, federation=f"p2, role:*, crm.*, {column}, null\n").warnings
    assert told == f"policies/federation.csv:{FIRST}: nothing that it covers has a column '{column}'"


@pytest.mark.parametrize(
    ("rule", "whose"),
    [
        ("p, role:maker, claims.*, publish, allow", "domain:claims"),
        ("p, role:maker, claims.claim, publish, allow", "domain:claims"),
        ("p, role:maker, claims.*, *, allow", "domain:claims"),
        ("p, role:maker, *, publish, allow", "any domain"),
    ],
)
def test_publish_is_told_as_the_right_to_read_that_it_is(app: App, rule: str, whose: str) -> None:
    (told,) = judged(app, federation=f"{rule}\n").warnings
    assert (
        told == f"policies/federation.csv:{FIRST}: `publish` lets role:maker read whatever {whose} may read"
    )


@pytest.mark.parametrize(
    "rule", ["claims.*, publish, deny", "claims.*, read, allow", "lake.*, publish, allow"]
)
def test_what_is_no_right_to_publish_is_not_told_as_one(app: App, rule: str) -> None:
    assert judged(app, federation=f"p, role:maker, {rule}\n").warnings == ()


def test_what_is_not_known_is_told_as_not_judged(tmp_path: Path) -> None:
    rules = {
        "federation": "p2, role:*, *, tag:email, hash\n",
        "claims": "p3, role:*, lake.claim, nope = 1\n"
        'p3, role:*, claims.risk, "claim_id IN (SELECT customer_id FROM crm_db.customer)"\n',
        "crm": "p3, role:*, crm.customer, nope = 1\np, role:x, crm_db.nothing, read, allow\n",
    }
    with company(tmp_path, rules):
        pass
    (tmp_path / "lake" / "claim.csv").unlink()
    text = (tmp_path / "fabric.yaml").read_text(encoding="utf-8")
    (tmp_path / "fabric.yaml").write_text(text.replace("uri: crm.db", "uri: gone/crm.db"), encoding="utf-8")
    report, products = check_rules_and_products(tmp_path)
    assert report.errors == ()
    assert set(report.unjudged) == {
        "rules on crm_db: its tables are not known",
        "rules on lake.main.claim: its columns are not known",
        "rules on crm.customer: its columns are not known",
        *(
            f"rules on claims.{name}: its columns are not known"
            for name in ("claim", "contacts", "open", "risk", "totals")
        ),
        "policies/claims.csv:2: what its subquery reads is not known",
    }
    assert [text for text in report.warnings if "covers nothing" in text] == []
    assert {report.product for report in products if not report.error} == {"fraud.score"}


def test_nothing_is_judged_while_the_federations_file_does_not_load(tmp_path: Path) -> None:
    with company(tmp_path, {"crm": "p3, role:*, crm.customer, nope = 1\n"}):
        pass
    (tmp_path / "policies" / "federation.csv").write_text("nonsense\n", encoding="utf-8")
    report, _ = check_rules_and_products(tmp_path)
    assert report.unjudged == ("no rule is judged while policies/federation.csv does not load",)
    assert len(report.errors) == 1


def test_a_rule_that_asks_for_an_attribute_breaks_no_product(tmp_path: Path) -> None:
    rules = {
        "claims": "p3, role:*, claims.claim, region = attr('region')\n"
        "p3, role:*, lake.claim, \"opened < attr('until', 'DATE')\"\n"
        "p2, role:*, claims.open, name, sql:attr('shown')\n"
    }
    with company(tmp_path, rules):
        pass
    report, products = check_rules_and_products(tmp_path)
    assert (report.errors, [each for each in products if each.error]) == ((), [])
