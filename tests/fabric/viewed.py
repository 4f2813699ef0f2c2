"""Random pairs of statements over ``lake.claim`` and ``lake.policy``: one to store, one to ask."""

from __future__ import annotations

from hypothesis import strategies as st

_KEYS = ("region", "status", "n", "opened", "amount", "policy_id", "year(opened)", "upper(region)")
_AGGREGATES = (
    "count(*)", "count(amount)", "count(region)", "sum(amount)", "sum(n)", "min(amount)", "max(opened)", "avg(amount)",
    "sum(amount * n)", "min(status)", "max(score)", "sum(score)", "count(DISTINCT region)",
    "sum(CASE WHEN status = 'open' THEN amount ELSE 0 END)", "sum(CASE WHEN region = 'EU' THEN 1 ELSE 0 END)",
    "sum(n) FILTER (WHERE status = 'open')", "count(*) FILTER (WHERE region IS NOT NULL)",
)  # fmt: skip
_LEFT_JOINED = "lake.claim AS c LEFT JOIN lake.policy AS p ON c.policy_id = p.policy_id"
_OF_POLICY = ("p.holder", "p.region", "p.premium")
_ON_POLICY = (
    "p.premium > 20",
    "p.holder IS NULL",
    "p.region = 'EU'",
    "p.holder IS NOT NULL",
    "p.premium <= 60.5",
)
_TOTALS = (
    "count(p.holder)",
    "sum(p.premium)",
    "min(p.region)",
    "count(p.policy_id)",
    "count(DISTINCT p.holder)",
)
_PLAIN = ("claim_id", *_KEYS, "score", "amount + 1", "coalesce(region, 'none')")
_REGIONS = ("'EU'", "'US'", "'UK'", "'none'")
_DAYS = (
    "DATE '2024-02-01'",
    "DATE '2024-09-01'",
    "DATE '2025-03-10'",
    "'2024-09-01'",
    "DATE '2024-08-01' + INTERVAL 1 MONTH",
)


@st.composite
def conditions(draw: st.DrawFn, most: int) -> list[str]:
    """Conjuncts over ``lake.claim``, called c."""
    found = []
    for _ in range(draw(st.integers(0, most))):
        op = draw(st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]))
        found.append(
            draw(
                st.one_of(
                    st.sampled_from(_REGIONS).map(lambda v, op=op: f"c.region {op} {v}"),
                    st.integers(0, 8).map(lambda v, op=op: f"c.n {op} {v}"),
                    st.sampled_from(_DAYS).map(lambda v, op=op: f"c.opened {op} {v}"),
                    st.sampled_from(["0", "-50", "120.5", "499.99"]).map(lambda v, op=op: f"{v} {op} c.amount"),
                    st.lists(st.sampled_from(_REGIONS), min_size=1, max_size=3).map(
                        lambda v: f"c.region IN ({', '.join(v)})"
                    ),
                    st.sampled_from(
                        [
                            "c.region IS NOT NULL", "c.region IS NULL", "c.status = 'open'", "c.status <> 'open'",
                            "c.region = c.region", "c.n BETWEEN 2 AND 6", "NOT c.n = 3", "c.region LIKE 'E%'",
                            "(c.status = 'open' OR c.n = 2)", "c.policy_id = c.n", "c.opened IS NOT NULL",
                        ]
                    ),
                )
            )
        )  # fmt: skip
    return found


@st.composite
def statements(
    draw: st.DrawFn, joined: bool, conjuncts: list[str], pool: list[str], *, stored: bool, left: bool
) -> str:
    """A SELECT with these conjuncts, aggregated or not."""
    front = "lake.claim AS c"
    if joined:
        front = draw(
            st.sampled_from(
                [
                    *([_LEFT_JOINED] * 2 * left),
                    "lake.claim AS c JOIN lake.policy AS p ON c.policy_id = p.policy_id",
                    "lake.policy AS p, lake.claim AS c",
                ]
            )
        )
        if "," in front:
            conjuncts = [*conjuncts, "p.policy_id = c.policy_id"]
    where = f" WHERE {' AND '.join(conjuncts)}" if conjuncts else ""
    kinds = ["grouped", "grouped", "grouped", "plain", "global", "distinct"]
    kind = draw(st.sampled_from(kinds[:4] if stored and draw(st.integers(0, 9)) else kinds))
    most = 6 if stored else 2
    if kind in ("plain", "distinct"):
        chosen = draw(
            st.lists(
                st.sampled_from(pool if draw(st.booleans()) else _PLAIN),
                min_size=1,
                max_size=most,
                unique=True,
            )
        )
        front_word = "SELECT DISTINCT" if kind == "distinct" else "SELECT"
        return f"{front_word} {_items(chosen, joined)} FROM {front}{where}"
    keys = pool if stored else draw(st.lists(st.sampled_from(pool), min_size=1, max_size=most, unique=True))
    keys = keys if kind == "grouped" else []
    known = (*_AGGREGATES, *_TOTALS) if joined else _AGGREGATES
    aggregates = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2 * most, unique=True))
    if stored and draw(st.integers(0, 3)):
        aggregates = list(dict.fromkeys((*aggregates, "count(*)", "sum(amount)", "sum(n)")))
    items = _items([*keys, *aggregates], joined)
    grouped = f" GROUP BY {', '.join(_owned(key, joined) for key in keys)}" if keys else ""
    having = ""
    if not stored and draw(st.integers(0, 4)) == 0:
        having = draw(
            st.sampled_from(
                [" HAVING count(*) > 3", " HAVING sum(amount) > 100", " HAVING min(c.n) IS NOT NULL"]
            )
        )
    return f"SELECT {items} FROM {front}{where}{grouped}{having}"


def _owned(text: str, joined: bool) -> str:
    """Columns that both tables have, of the claim."""
    for name in ("region", "policy_id"):
        text = text.replace(f"({name}", f"(c.{name}").replace(f" {name}", f" c.{name}")
        text = f"c.{name}" if text == name else text
    return text


def _items(chosen: list[str], joined: bool) -> str:
    return ", ".join(f"{_owned(text, joined)} AS x{number}" for number, text in enumerate(chosen))


@st.composite
def pairs_of_statements(draw: st.DrawFn) -> tuple[str, str]:
    """What is stored, and what is asked: often of the same tables, with more conditions."""
    joined, left = draw(st.booleans()), draw(st.booleans())
    kept = draw(conditions(1))
    more = draw(conditions(2))
    keys = (*_KEYS, *_OF_POLICY) if joined else _KEYS
    if joined:
        more += draw(st.lists(st.sampled_from(_ON_POLICY), max_size=1))
        kept += (
            draw(st.lists(st.sampled_from(_ON_POLICY), max_size=1)) if draw(st.integers(0, 3)) == 0 else []
        )
    asked = draw(st.sampled_from([[*kept, *more], [*kept, *more], more]))
    pool = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=5, unique=True))
    pool = list(dict.fromkeys((*pool, *(key for key in keys if any(f"{key} " in each for each in more)))))
    other = not any("p." in each for each in (*pool, *asked)) and draw(st.integers(0, 4)) == 0
    return (
        draw(statements(joined, kept, pool, stored=True, left=left)),
        draw(statements(joined != other, asked, pool, stored=False, left=left)),
    )
