"""Pure: a mistyped letter type, forgiven only where a mistake is likelier than another word.

Only SKTM, SKCK and words of six letters or more are forgiven: ``kk``, ``cair``, ``air``, ``wati``, ``rani``, ``rabu``
must not become KK, LAIR, MATI or RABI. One edit is allowed, two from nine letters on.
"""

from __future__ import annotations

from edge.sms import letters

_SHORT = frozenset({"sktm", "skck"})
_LONG = 6
_LONGER = 9
_CANDIDATES = {
    phrase[0]: key
    for phrase, key in letters.phrases().items()
    if len(phrase) == 1 and (phrase[0] in _SHORT or len(phrase[0]) >= _LONG)
}


def forgive(word: str) -> str:
    """The key of the one letter type that `word` (lower case) is a typo of, or ""."""
    if not 3 <= len(word) <= 20:
        return ""
    meant = {key for candidate, key in _CANDIDATES.items() if _near(word, candidate)}
    return meant.pop() if len(meant) == 1 else ""


def _near(word: str, candidate: str) -> bool:
    if candidate not in _SHORT and len(word) < _LONG:
        return False
    allowed = 2 if len(candidate) >= _LONGER else 1
    return abs(len(word) - len(candidate)) <= allowed and distance(word, candidate) <= allowed


def distance(one: str, other: str) -> int:
    """Edits between two words, a swap of neighbours counting as one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]
