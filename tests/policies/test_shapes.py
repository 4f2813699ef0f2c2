import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import shapes
from policies.expressions import read_condition, tables_in
from policies.shapes import shape_of, tables_of, tree_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("region = 'EU'", "region = 'US'"),
        ("a = 1 AND b <> 'x' OR NOT (c >= 2)", "a = 7 AND b <> 'it''s' OR NOT (c >= 30.5)"),
        ("a IN ('x', 'y')", "a IN ('y', 'z')"),
        ("a NOT IN (1, 2, 3)", "a NOT IN (4, 5, 6)"),
        ("region = attr('region')", "region = attr('area')"),
        ("has_role('claims')", "has_role('audit')"),
        ("day > current_date - INTERVAL 5 DAY", "day > current_date - INTERVAL 50 DAY"),
        ("day BETWEEN '2020-01-01' AND '2020-12-31'", "day BETWEEN '2021-01-01' AND '2021-12-31'"),
        ("code LIKE 'A%' OR code ILIKE 'b_'", "code LIKE 'C%' OR code ILIKE '%d'"),
        ("id % 10 = 3", "id % 20 = 7"),
        ("amount * 2 > limit_ AND a = -1", "amount * 3 > limit_ AND a = -2"),
        ("a IN (SELECT a FROM crm.x WHERE b = 1)", "a IN (SELECT a FROM crm.x WHERE b = 2)"),
    ],
)
def test_expressions_that_differ_in_compared_values_have_one_shape(one: str, other: str) -> None:
    assert shape_of(one) == shape_of(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a = 1", "b = 1"),
        ("a = 1", "a = '1'"),
        ("a = 1", "a > 1"),
        ("a = 1", '"a" = 1'),
        ("a = 'x'", 'a = "x"'),
        ("a = 'x'", "a = $1"),
        ("a IN (1, 2)", "a IN (1, 2, 3)"),
        ("a IN (1, b)", "a IN (2, b)"),
        ("a = 1 + 1", "a = 2 + 1"),
        ("a = 'x' || b", "a = 'y' || b"),
        ("a = '1'::INT", "a = 'x'::INT"),
        ("a = left(b, 1)", "a = left(b, 2)"),
        ("length(repeat(a, 5)) = 1", "length(repeat(a, 50)) = 1"),
        ("a = attr('x', 'INT')", "a = attr('x', 'NONSENSE')"),
        ("a = attr('x')", "a = attr('')"),
        ("a LIKE 'x' ESCAPE '!'", "a LIKE 'x' ESCAPE '??'"),
        ("repeat(a, 2 * 3) = 'x'", "repeat(a, 2 * 30000) = 'x'"),
        ("day = DATE '2020-01-01'", "day = DATE 'nonsense'"),
        ("a = 1 IS NULL", "a = 2 IS NULL"),
        ("day > current_date - INTERVAL '5 days'", "day > current_date - INTERVAL '6 months'"),
        ("a IN (SELECT a FROM crm.x)", "a IN (SELECT a FROM crm.y)"),
        ("a = 'x') OR (true", "a = 'x' OR true"),
    ],
)
def test_expressions_that_differ_in_anything_else_have_two(one: str, other: str) -> None:
    assert shape_of(one) != shape_of(other)


@pytest.mark.parametrize(
    "text",
    ["a = 1 -- x", "a = 1 /* x */", "a = '--'", "a = 1; b", "a = '\x01'", "a = 'x", "a =\n1", "a" * 20_000],
)
def test_a_text_with_anything_unusual_is_judged_by_itself(text: str) -> None:
    assert shape_of(text) is None


VALUES = st.one_of(
    st.integers(0, 10**40).map(str),
    st.decimals(0, 10**6, places=3).map(str),
    st.sampled_from(
        ["1e5", "1e999", ".5", "5.", "0x1F", "1_000", "''", "'a'::INT", "-1", "NULL", "b", "now()"]
    ),
    st.text(max_size=6).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
FORMS = st.sampled_from(
    [
        "a = {}",
        "a <> {} AND b < {}",
        "(a >= {}) OR b = {}",
        "a IN ({}, {})",
        "a IN ({})",
        "has_role({})",
        "a = attr({})",
        "a IN attrs({})",
        "a > current_date - INTERVAL {} DAY",
        "a IN (SELECT x FROM crm.t WHERE y = {})",
        "a = {} AND random() < {}",
        "a BETWEEN {} AND {}",
        "NOT (a BETWEEN {} AND {})",
        "a LIKE {}",
        "a % {} = {}",
        "a - {} > b AND c = -{}",
        "sum(a) > {}",
        "a = {} b",
    ]
)


def judged(text: str) -> object:
    try:
        return tables_in(read_condition(text))
    except ValueError:
        return None


@given(FORMS, VALUES, VALUES, VALUES, VALUES)
def test_expressions_of_one_shape_are_judged_alike(
    form: str, one: str, other: str, third: str, fourth: str
) -> None:
    texts = form.format(one, other), form.format(third, fourth)
    if shape_of(texts[0]) is not None and shape_of(texts[0]) == shape_of(texts[1]):
        assert judged(texts[0]) == judged(texts[1])


def test_a_shape_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(text: str) -> object:
        read.append(text)
        return read_condition(text)

    monkeypatch.setattr(shapes, "read_condition", reading)
    for n in range(5):
        assert tables_of(f"once_only IN (SELECT x FROM crm.t WHERE y = {n})") == (("crm", "t"),)
    assert len(read) == 1


def test_what_is_refused_is_refused_each_time_and_in_all_its_shape() -> None:
    for n in (1, 2, 1):
        with pytest.raises(ValueError, match="random"):
            tables_of(f"refused = {n} AND random() < 0.5")


def test_a_tree_is_read_once_a_text() -> None:
    assert tree_of("a = 'shared'") is tree_of("a = 'shared'")
    assert tree_of("a = 'shared'") != tree_of("a = 'other'")
