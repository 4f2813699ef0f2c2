"""The canary oracle: does anything shown to a user hold a value, a name or a rule that is not theirs to see?

Values that somebody may not see bear marks (see ``data.sql``). They are looked for as they are, upside down in
case, backwards, spelled apart, and as hex, base64, binary, code points and digests.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator

WORD = "zqcanary"
NUMBER = "313373"
DAYS = "1913-03"
NAMES = ("zqhid", "zqdark", "zqrule")

_VALUE = re.compile(rf"{WORD}[-\w]*|\d*{NUMBER}\d*(?:\.\d+)?|{DAYS}-\d\d")
_DIGEST = re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})\b")
_APART = re.compile(r"[^0-9a-z]+")


def _encodings(word: str) -> Iterator[str]:
    """The word in the disguises that SQL's own functions can give it."""
    data = word.encode()
    yield word[::-1]
    yield data.hex()
    yield data.hex().upper()
    yield "".join(f"{byte:08b}" for byte in data)
    yield "".join(f"\\x{byte:02X}" for byte in data)
    yield ", ".join(str(byte) for byte in data)
    yield "%".join(f"{byte:02X}" for byte in data)
    for lead in range(3):  # base64 of a text that holds the word: its three alignments, inner digits only
        coded = base64.b64encode(b"\0" * lead + data).decode().rstrip("=")
        yield coded[(lead * 8 + 5) // 6 : -1]


_ENCODED = re.compile("|".join(re.escape(text) for word in (WORD, NUMBER) for text in _encodings(word)))


def values(text: str) -> set[str]:
    """The marked values that stand openly in a text."""
    return set(_VALUE.findall(text.casefold()))


def digests(known: Iterable[str]) -> frozenset[str]:
    """What the digests that SQL offers make of marked values."""
    made = set()
    for value in known:
        for name in ("md5", "sha1", "sha256"):
            made.add(hashlib.new(name, value.encode(), usedforsecurity=False).hexdigest())
    return frozenset(made)


class Canaries:
    """What one user may see of the marked values, so that all else is a leak.

    Args:
        visible: every text of the user's restricted copies.
        secret: digests of every marked value.
    """

    def __init__(self, visible: str, secret: frozenset[str]) -> None:
        self._visible = values(visible)
        self._sees_words = any(value.startswith(WORD) for value in self._visible)
        self._sees_numbers = any(NUMBER in value for value in self._visible)
        self._secret = secret

    def leaks(self, shown: str, written: str = "") -> list[str]:
        """What in ``shown`` the user may not see; names that they wrote themselves are theirs."""
        folded = shown.casefold()
        found = [value for value in values(shown) if not self._may_see(value)]
        found += [name for name in NAMES if name in folded and name not in written.casefold()]
        if not self._sees_words:
            found += _ENCODED.findall(shown)
            found += [WORD] if WORD in _APART.sub("", folded) and WORD not in folded else []
            found += [digest for digest in _DIGEST.findall(folded) if digest in self._secret]
        return sorted(set(found))

    def _may_see(self, value: str) -> bool:
        if NUMBER in value:
            return self._sees_numbers  # sums and parts of numbers are judged by the whole answer
        return value in self._visible or any(value in one for one in self._visible)
