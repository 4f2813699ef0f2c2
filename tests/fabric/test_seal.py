"""What is sealed is read with the same key, in the same place, and nowhere else."""

from __future__ import annotations

import pytest

from fabric.seal import Seal

KEY, OTHER = b"k" * 32, b"o" * 32
TEXT = "SELECT 'geheim', '花', ''"


def test_what_is_sealed_can_be_opened() -> None:
    sealed = Seal(KEY).sealed(TEXT, "r1")
    assert "geheim" not in sealed
    assert Seal(KEY).opened(sealed, "r1") == TEXT
    assert Seal(KEY).sealed(TEXT, "r1") != sealed


@pytest.mark.parametrize(("key", "place"), [(OTHER, "r1"), (KEY, "r2"), (None, "r1")])
def test_another_key_or_place_opens_nothing(key: bytes | None, place: str) -> None:
    assert Seal(key).opened(Seal(KEY).sealed(TEXT, "r1"), place) is None


@pytest.mark.parametrize("text", ["", "SELECT 1", "None", "AAAA", "ä", "A" * 40])
def test_what_was_never_sealed_is_not_opened(text: str) -> None:
    assert Seal(KEY).opened(text, "r1") is None


def test_a_changed_text_is_not_opened() -> None:
    sealed = Seal(KEY).sealed(TEXT, "r1")
    for n in range(0, len(sealed) - 2, 7):
        changed = sealed[:n] + ("A" if sealed[n] != "A" else "B") + sealed[n + 1 :]
        assert Seal(KEY).opened(changed, "r1") is None
