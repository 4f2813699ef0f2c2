"""What 10,000 rules over 1,000 objects cost: to load, to load again, and to ask of.

``load`` is a first load, ``load_unlike`` one where no two row rules are of one shape, ``load_again`` one after a change
of a line. A person asks about five objects as the governor does: may they read each, which columns, rows and
combinations are restricted. ``first`` is that person's first question after a load, ``later`` the same again.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.machine import write
from fabric.types import Column, Principal
from policies import shapes
from policies.enforcer import RuleSet
from policies.files import PolicyFiles
from policies.objects import Estate

DOMAINS, OBJECTS, USERS, ROLES = 10, 1000, 500, 200
KINDS = {"p": 3800, "p2": 2500, "p3": 3000, "p4": 200, "g": 500}
RELOADS = 7
PEOPLE = 40  # of each reload
COLUMNS = tuple(
    Column(f"c{n}", "VARCHAR", tags=(("pii",) if n % 7 == 0 else ("email",) if n % 11 == 0 else ()))
    for n in range(20)
)
MASKS = ("hide", "null", "hash", "email", "last(4)", "clear")


@dataclass(frozen=True)
class Question:
    """A person and the objects of one statement."""

    person: Principal
    objects: tuple[tuple[str, ...], ...]


def estate() -> Estate:
    """Ten domains, each with a source."""
    return Estate(
        "acme",
        {f"d{n}": f"role:owner{n}" for n in range(DOMAINS)},
        {f"s{n}": f"d{n}" for n in range(DOMAINS)},
    )


def rules(chance: random.Random, *, unlike: bool = False) -> str:
    """A federation.csv: two thirds of the rules name one object, the others a domain, a source or all.

    No two row rules have the same text; ``unlike`` also gives each a column of its own, so that none is like another
    but for its values.
    """

    def thing() -> str:
        n = chance.randrange(OBJECTS)
        domain, table = n % DOMAINS, n // DOMAINS
        drawn = chance.random()
        if drawn < 0.02:
            return "*"
        prefix = f"{'ds'[table % 2]}{domain}"
        return f"{prefix}.*" if drawn < 0.33 else f"{prefix}.t{table}"

    def subject() -> str:
        drawn = chance.random()
        if drawn < 0.02:
            return "role:*"
        return f"u{chance.randrange(USERS)}" if drawn < 0.1 else f"role:r{chance.randrange(ROLES)}"

    def condition(n: int) -> str:
        own = f"own{n} IS NULL AND " if unlike else ""
        return own + chance.choice(
            (
                f"c1 = attr('region') AND c2 > {n}",
                f"c3 IN ('a{n}', 'b', 'c') OR has_role('r{n}')",
                f"c4 IN (SELECT c1 FROM d0.allowed WHERE c2 = {n} AND c3 = user())",
                f"CAST(c5 AS DATE) >= current_date - INTERVAL {n} DAY",
            )
        )

    lines = []
    for n in range(KINDS["p"]):
        lines.append(f"p, {subject()}, {thing()}, read, {'deny' if n % 50 == 0 else 'allow'}")
    for n in range(KINDS["p2"]):
        column = chance.choice((f"c{n % 20}", f"c{n % 20}", "c1*", "tag:pii", "tag:email"))
        lines.append(f"p2, {subject()}, {thing()}, {column}, {chance.choice(MASKS)}")
    for n in range(KINDS["p3"]):
        target = thing()
        while target in ("*", "d0.*", "d0.allowed"):
            target = thing()
        lines.append(f'p3, {subject()}, {target}, "{condition(n)}"')
    for n in range(KINDS["p4"]):
        lines.append(f'p4, {subject()}, {thing()}, {thing()}, never, "reason {n}"')
    chance.shuffle(lines)
    lines += [f"g, u{n % USERS}, role:r{chance.randrange(ROLES)}" for n in range(KINDS["g"] - ROLES)]
    lines += [f"g, role:r{n}, role:r{n // 2}" for n in range(1, ROLES)]  # seven levels
    return "\n".join(lines) + "\n"


def ask(known: RuleSet, question: Question) -> int:
    """All that the governor asks for one statement; the number of restrictions that were found."""
    person = known.person(question.person)
    found = 0
    for parts in question.objects:
        found += known.ask(person, parts, "read").allow
        found += len(known.missing_columns(person, parts, COLUMNS))
        found += len(known.column_rules(person, parts, COLUMNS))
        found += len([rule.condition for rule in known.row_rules(person, parts)])
    for one, other in itertools.combinations(question.objects, 2):
        found += len(known.combination_rules(person, one, other))
    return found


def questions(chance: random.Random) -> list[Question]:
    """Different people, each with five objects."""
    asked = []
    for user in chance.sample(range(USERS), PEOPLE):
        picked = [chance.randrange(OBJECTS) for _ in range(5)]
        objects = tuple(
            (f"d{n % 10}", f"t{n // 10}") if n // 10 % 2 == 0 else (f"s{n % 10}", "main", f"t{n // 10}")
            for n in picked
        )
        asked.append(Question(Principal(f"u{user}", frozenset({f"role:r{user % ROLES}"})), objects))
    return asked


def forget() -> None:
    """As a process that has read no rule yet."""
    shapes.tables_of.cache_clear()
    shapes.tree_of.cache_clear()
    shapes._judged.clear()


def took(work: Callable[[], object]) -> float:
    """Milliseconds of wall time."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Measure and write ``out/policies.json``."""
    chance = random.Random(3)
    times: dict[str, list[float]] = {
        "load": [],
        "load_unlike": [],
        "load_again": [],
        "first": [],
        "later": [],
    }
    restrictions = 0
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        (directory / "policies").mkdir()
        for domain in estate().owners:
            (directory / "policies" / f"{domain}.csv").touch()
        file = directory / "policies" / "federation.csv"
        text, unlike = rules(chance), rules(chance, unlike=True)
        for turn in range(RELOADS):
            file.write_text(unlike)
            forget()
            times["load_unlike"].append(took(lambda: PolicyFiles(directory, estate())))
            file.write_text(f"{text}# {turn}\n")
            forget()
            times["load"].append(took(lambda: PolicyFiles(directory, estate())))
            times["load_again"].append(took(lambda: PolicyFiles(directory, estate())))
            files = PolicyFiles(directory, estate())
            assert not files.errors(), files.errors()
            known = files.current().rules
            for question in questions(chance):
                times["first"].append(took(lambda: ask(known, question)))  # noqa: B023 - called at once
                times["later"].append(took(lambda: ask(known, question)))  # noqa: B023 - called at once
                restrictions += ask(known, question)
    results: dict[str, object] = {"rules": dict(KINDS), "objects": OBJECTS}
    for name, values in times.items():
        worst = sorted(values)[-max(1, len(values) // 100)]
        results[f"{name}_ms"] = {"median": round(median(values), 3), "p99": round(worst, 3)}
    results["found_per_question"] = round(restrictions / len(times["first"]), 1)
    write("policies", results)


if __name__ == "__main__":
    main()
