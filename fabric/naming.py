"""Names: the one answer to a name that is not there, and the nearest one that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from fabric.errors import (
    NotFound,
    NotSupported,
    ProductRetired,
    ProductViolated,
    ResultOutdated,
    UserError,
)
from fabric.settings import SourceSettings
from fabric.types import DEFAULT_SCHEMA, Product


def unknown_object(written: str) -> NotFound:
    """The answer to an object that does not exist, or that the asking principal may not know of.

    The catalog and the governor both answer with it, so that the two cases cannot be told apart.

    Args:
        written: the name as the statement spells it; the catalog's own spelling would tell the cases apart.
    """
    return NotFound(
        f"there is no '{written}' that you may see", hint="SHOW TABLES lists everything that you may see"
    )


def of_nobody(message: str) -> str:
    """What a user would be told of a name that is not there, for those who wrote the name into a file."""
    for ending in (" that you may see", " in the relations of this query"):
        message = message.removesuffix(ending)
    return message


def broken_product(written: str, owner: str) -> NotSupported:
    """The answer to a product that cannot serve; it says nothing of what is beneath."""
    return NotSupported(f"product '{written}' is broken", hint=f"tell its owner, {owner or 'the domain'}")


def not_served(written: str, product: Product) -> UserError:
    """The answer to a product that cannot serve, or may not any more; it says nothing of what is beneath."""
    owner = f"ask its owner, {product.owner}" if product.owner else "ask its domain"
    if product.status == "retired":
        instead = f"read {product.replaced_by}" if product.replaced_by else owner
        return ProductRetired(f"product '{written}' is retired", hint=instead)
    if product.violations and product.refuses:
        rules = ", ".join(f"'{rule}'" for rule in product.violations)
        return ProductViolated(f"product '{written}' is not served while its data breaks {rules}", hint=owner)
    if product.outdated:
        return ResultOutdated(
            f"product '{written}' rests on a stored result that is there no more", hint=owner
        )
    return broken_product(written, product.owner)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, compared without case, or None when none is like it."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def suggest(name: str, known: Iterable[str], what: str) -> str:
    """``did you mean 'x'?`` when a known name is like ``name``, else the list of them under ``what``."""
    candidates = sorted(known)
    match = nearest(name, candidates)
    if match is not None:
        return f"did you mean '{match}'?"
    return f"{what}: {', '.join(candidates)}" if candidates else f"{what}: none"


UPLOADS = "_uploads"
"""What stands behind a domain's name in that of the source that holds its uploaded tables."""


def uploads_of(domain: str) -> str:
    """The source that holds what was uploaded to a domain."""
    return f"{domain}{UPLOADS}"


def default_schema(settings: SourceSettings) -> str:
    """The schema that ``source.table`` means, in statements and in rules: ``main`` where there are no schemas.

    Of several, ``public`` where it is one of them. Empty where it depends on what the source holds: a rule
    must not change its meaning with that.
    """
    schemas: Sequence[str] | None = getattr(settings, "schemas", None)
    if schemas is None:
        one = hasattr(settings, "tables") and getattr(settings, "dialect", "sqlite") == "sqlite"
        return DEFAULT_SCHEMA if one else ""
    if "public" in schemas:
        return "public"
    return str(schemas[0]) if len(schemas) == 1 and "*" not in schemas[0] else ""
