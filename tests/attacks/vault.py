"""The vault: one table in a source of every kind, whose hidden rows make expressions raise.

Every rule leaves the same twenty rows, so that one restricted copy says what each query must answer: an error
where the copy gives rows has met a hidden row, and is a leak by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

TABLES: Mapping[str, str] = {
    "parquet": "vfiles.pq",
    "csv": "vfiles.cs",
    "json": "vfiles.js",
    "sqlite": "vsql.box",
    "postgres": "vpg.box",
    "rest": "vrest.box",
}
BIG = "vfiles.big"

RULES: Mapping[str, str] = {
    "v_equal": "region = 'EU' AND code <> 'zqrule'",
    "v_attribute": "region = attr('region')",
    "v_lower": "lower(region) = 'eu'",
    "v_list": "region IN ('EU', 'XX', 'zqrule')",
    "v_like": "region LIKE 'E_' AND region NOT LIKE 'zqrule%'",
    "v_in_query": "region IN (SELECT area FROM vfiles.zqdark_area WHERE usr = user())",
    "v_exists": "EXISTS (SELECT 1 FROM vfiles.zqdark_area a WHERE a.area = region AND a.usr = user())",
    "v_not_in": "region NOT IN (SELECT area FROM vfiles.zqdark_block)",
    "v_raises": "CAST(code AS INTEGER) = 7",
    "v_mixed": "region = 'EU' AND CAST(code AS INTEGER) IN (5, 6, 7)",
}
"""By user, the row rule of the vault's own file."""

USERS: Mapping[str, tuple[str, ...]] = {
    **{user: ("role:vault",) for user in RULES},
    "v_roles": ("role:vault", "role:vault-one", "role:vault-two"),
    "v_both": ("role:vault",),
    "v_nothing": ("role:vault",),
}
"""Users and their roles: ``v_roles`` has a rule by either role, ``v_both`` one in either file."""

# In Postgres a column that says what it meets: whoever evaluates it writes the row's value to the server's log.
LEAKY_POSTGRES = """
CREATE FUNCTION vault.f_leak(id bigint, value text) RETURNS text LANGUAGE plpgsql STABLE COST 0.0000001
AS $$ BEGIN RAISE LOG 'f_leak met %', id; RETURN value; END $$;
CREATE VIEW vault.leaky AS SELECT id, region, vault.f_leak(id, body) AS body, num FROM vault.box;
CREATE TABLE vault.part AS SELECT id, region, CASE WHEN region = 'EU' THEN id ELSE 0 END AS n FROM vault.box;
CREATE VIEW vault.strict AS SELECT id, region, 1000 / n AS level FROM vault.part;
GRANT EXECUTE ON FUNCTION vault.f_leak TO PUBLIC;
"""

_OBJECTS = (*TABLES.values(), "vpg.leaky", "vpg.strict")


def policies() -> str:
    """The vault's own policy file."""
    lines = ["p, role:vault, vault.*, read, allow"]
    for table in (*_OBJECTS, BIG):
        lines.append(f"p, role:vault, {table}, read, allow")
        rules = {
            **RULES,
            "role:vault-one": "id < 0",
            "role:vault-two": "region = 'EU'",
            "v_both": "code = '7'",
        }
        rules["v_nothing"] = "false"
        if table in ("vpg.leaky", "vpg.strict"):
            rules = {
                "v_equal": "region = 'EU'",
                "v_list": "region IN ('EU', 'XX')",
                "v_lower": RULES["v_lower"],
            }
        lines += [f'p3, {subject}, {table}, "{rule}"' for subject, rule in rules.items()]
    return "\n".join(lines) + "\n"


def products() -> dict[str, str]:
    """For each kind of source, products whose own bodies raise on hidden rows."""
    made = {}
    for kind, table in TABLES.items():
        made[f"cast_{kind}"] = f"SELECT id, CAST(body AS INTEGER) AS level, grp FROM {table}"
        made[f"where_{kind}"] = f"SELECT id, grp FROM {table} WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4)"
        made[f"join_{kind}"] = (
            f"SELECT a.id, b.grp FROM {table} a JOIN {table} b ON CAST(a.body AS INTEGER) = CAST(b.body AS INTEGER) AND a.id = b.id"
        )
        made[f"sum_{kind}"] = f"SELECT grp, sum(CAST(body AS INTEGER)) AS n FROM {table} GROUP BY grp"
        made[f"over_{kind}"] = f"SELECT id FROM vault.cast_{kind} WHERE level NOT IN (5, 6)"
    return made
