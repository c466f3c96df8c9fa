"""Tickets like ``K47-M2``: short enough to be said on the phone, with a check character. Pure.

Four characters carry 18 x 10 x 10 x 18 = 32,400 tickets; the last is (v1 + 2 v2 + 3 v3 + 4 v4) mod 10, a letter's value
being its index in `LETTERS`.
"""

from __future__ import annotations

import re

LETTERS = "ACDEFHJKLMNPRTUWXY"
SPACE = len(LETTERS) * 10 * 10 * len(LETTERS)

_FORM = re.compile(rf"([{LETTERS}])([0-9OIL])([0-9OIL])-?([{LETTERS}])([0-9OIL])")
_AS_DIGIT = str.maketrans("OIL", "011")


def make(random_bits: int) -> str:
    """The ticket that a random number stands for; the numbers 0 to `SPACE` - 1 give all of them once."""
    rest, last = divmod(random_bits % SPACE, len(LETTERS))
    first, digits = divmod(rest, 100)
    body = f"{LETTERS[first]}{digits:02d}"
    return f"{body}-{LETTERS[last]}{_check(first, digits // 10, digits % 10, last)}"


def read(text: str) -> str | None:
    """The ticket written in `text`, or None. Any case, hyphen or not; in a digit's place O is 0, I and l are 1."""
    found = _FORM.fullmatch(text.strip().upper())
    if found is None:
        return None
    first, tens, ones, last, check = found.groups()
    tens, ones, check = (part.translate(_AS_DIGIT) for part in (tens, ones, check))
    wanted = _check(LETTERS.index(first), int(tens), int(ones), LETTERS.index(last))
    return f"{first}{tens}{ones}-{last}{check}" if int(check) == wanted else None


def _check(first: int, second: int, third: int, fourth: int) -> int:
    return (first + 2 * second + 3 * third + 4 * fourth) % 10
