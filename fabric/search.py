"""Products found by words, the best first: over what the asker may know, so that no rank tells of anything else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_WORD = re.compile(r"[^\W_]+")
_WEIGHTS = {"name": 4.0, "tags": 3.0, "columns": 2.0, "description": 1.0}
"""What a word counts by where it stands."""

_PART = 0.6
"""What a word counts that only begins with the one that was asked for."""

_USES = 0.1
"""What ten times the uses add to a score of 1."""

# BM25's own, as most have them.
_SATURATION, _LENGTH = 1.2, 0.5


@dataclass(frozen=True, slots=True)
class Found:
    """What is searched: texts by the field of ``_WEIGHTS`` that they stand in, and how often it was used lately."""

    key: str
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    uses: int = 0


def ranked(asked: str, documents: Sequence[Found]) -> list[tuple[Found, float]]:
    """Those in which any of the words stand, the best first; equal ones by their key.

    A thousand uses weigh as much as a third more of the words: what people use is likelier meant, and a better match wins.
    """
    words = dict.fromkeys(_words(asked))
    counted = [_counted(document) for document in documents]
    usual = sum(sum(words_of.values()) for words_of in counted) / max(1, len(counted)) or 1.0
    scores = [0.0] * len(documents)
    for word in words:
        matches = [_matched(word, words_of) for words_of in counted]
        having = sum(match > 0 for match in matches)
        rare = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        for number, match in enumerate(matches):
            long = sum(counted[number].values()) / usual
            scale = match + _SATURATION * (1 - _LENGTH + _LENGTH * long)
            scores[number] += rare * match * (_SATURATION + 1) / scale if match else 0.0
    found = [
        (document, score * (1 + _USES * math.log10(1 + document.uses)))
        for document, score in zip(documents, scores, strict=True)
        if score > 0
    ]
    return sorted(found, key=lambda each: (-each[1], each[0].key))


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _counted(document: Found) -> dict[str, float]:
    words: dict[str, float] = {}
    for place, texts in document.texts.items():
        for text in texts:
            for word in _words(text):
                words[word] = words.get(word, 0.0) + _WEIGHTS[place]
    return words


def _matched(word: str, words: Mapping[str, float]) -> float:
    exact = words.get(word, 0.0)
    begun = sum(weight for other, weight in words.items() if other != word and other.startswith(word))
    return exact + (_PART * begun if len(word) > 2 else 0.0)
