"""Pure: which words of a message are the applicant's name, and what is said after it.

A name holds letters, spaces, ``. , ' -`` and titles; forms of address before it are no part of it (they are noise and
never enter a run of name words).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from edge.sms import words
from edge.sms.fields import MOST_NAME_WORDS, Fields, Run
from edge.sms.normalise import Token

MOST_NAME = 60
MOST_PURPOSE = 120
_ORDER = ("label", "number", "before", "letter", "start", "other")


def choose(fields: Fields) -> Run | None:
    """The run of words that is the name: a labelled one, else the one after the NIK, before it, or after the letter."""
    ranked = sorted((_rank(run), place, run) for place, run in enumerate(fields.runs) if run.tokens)
    for rank, _, run in ranked:
        if rank >= _ORDER.index("start") and len(ranked) > 1:
            return None  # scattered words: a sentence, not a name
        return run if _is_name(run) else None
    return None


def written(run: Run) -> str:
    """The name as it goes on a letter: upper case, single spaces, titles with their dots."""
    text = ""
    for token in run.tokens:
        text += token.text if token.kind == "break" else f" {token.text}"
    return text.strip(" ,-'").upper()[:MOST_NAME]


def all_name(fields: Fields) -> str:
    """The whole message as a name (an answer to "which name?"), or ""."""
    useful = [run for run in fields.runs if run.tokens]
    stops = any(key in words.STOP or key in words.YES for key in fields.free)
    if len(useful) != 1 or stops or fields.letters or not _is_name(useful[0]):
        return ""
    return written(useful[0])


def after(fields: Fields, run: Run | None) -> str:
    """What an unmarked field after the name says (``...#SITI AMINAH#tambah anak``), as a purpose, or ""."""
    if run is None:
        return ""
    for start, end in _segments(fields.tokens, run.end):
        tokens = fields.tokens[start:end]
        said = [token for token in tokens if token.kind in ("word", "mixed", "short")]
        roles = {fields.roles[place] for place in range(start, end) if fields.tokens[place] in said}
        plain = [token.key for token in said if token.key not in words.NOISE | words.THANKS]
        if not plain or not roles <= {"free", "letter", "noise", ""} or plain[0] in words.ADDRESS:
            continue
        if any(token.kind in ("number", "phone", "ticket", "url", "colon", "place") for token in tokens):
            continue
        return " ".join(token.text for token in said)[:MOST_PURPOSE]
    return ""


def beside(fields: Fields, run: Run | None) -> str:
    """What follows the name in its own field and begins with a letter's word (``usaha ... sugeng warung kopi``)."""
    if run is None or run.end >= len(fields.tokens) or fields.roles[run.end] != "letter":
        return ""
    said = itertools.takewhile(lambda token: token.kind in ("word", "mixed", "short"), fields.tokens[run.end :])
    return " ".join(token.text for token in said)


def _segments(tokens: Sequence[Token], start: int) -> list[tuple[int, int]]:
    """The fields after `start`, each between hard separators or commas."""
    marks = [
        place for place in range(start, len(tokens)) if tokens[place].kind == "break" and tokens[place].key in "#,"
    ]
    return [(mark + 1, end) for mark, end in itertools.pairwise([*marks, len(tokens)]) if end > mark + 1]


def _rank(run: Run) -> int:
    if run.lead in ("label", "number"):
        return _ORDER.index(run.lead)
    return _ORDER.index("before") if run.before_number else _ORDER.index(run.lead)


def _is_name(run: Run) -> bool:
    letters = [token for token in run.tokens if token.kind == "word"]
    return (
        not run.spoiled
        and 1 <= len(letters) <= MOST_NAME_WORDS
        and any(len(token.key) >= 2 for token in letters)
        and len(written(run)) >= 2
    )
