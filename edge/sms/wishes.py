"""Pure: an SMS that a person at the box wants sent, read from what the command asked. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from edge import config
from edge.modem import concat
from edge.modem.concat import Piece
from edge.queue.store.outgoing import Kind
from edge.sms import identity, pacing

MOST_PARTS = 10
MOST_AHEAD_S = 30 * 86_400.0
LEAST_LIFE_S = 60.0
_MOST_CHARACTERS = MOST_PARTS * concat.SINGLE_SEPTETS
# 08... that is no mobile number of the right length is a slip, and 0 begins no short code.
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}|0[1-79][0-9]{6,12}|[1-9][0-9]{2,14}")
_UNSENDABLE = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")


class Unfit(ValueError):
    """What was asked for cannot be sent; the message says why and what helps, and repeats no text of it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An SMS to be queued; `not_before` (0: at once) and `expires_at` are Unix seconds."""

    number: str
    text: str
    kind: Kind
    not_before: float
    expires_at: float
    pieces: tuple[Piece, ...]

    def __repr__(self) -> str:
        return f"Wish({self.kind}, {len(self.pieces)} parts)"

    @property
    def encoding(self) -> str:
        """gsm7 or ucs2, as the network will carry it."""
        return "ucs2" if self.pieces[0].unicode else "gsm7"


def read(question: Mapping[str, Any], settings: config.Sms, *, now: float) -> Wish:
    """The wish in `question`: number, text, kind, `wait_s` and `expires_s` from now. Raises `Unfit`.

    With `transliterate` a text that only typographic signs keep from the GSM alphabet has them written plainly.
    """
    kind = _kind(question.get("kind", "reply"))
    wait_s = _span(question.get("wait_s", 0.0), "the wait before it may leave", least=0.0)
    usual = min(wait_s + pacing.lives_s(settings)[kind], MOST_AHEAD_S)
    life_s = _span(question.get("expires_s", usual), "the time it is tried", least=LEAST_LIFE_S)
    if life_s < wait_s + LEAST_LIFE_S:
        raise Unfit("it would expire before it may leave; give --expires a later time than --not-before")
    pieces = _pieces(_text(question.get("text")), transliterate=question.get("transliterate") is True)
    text = "".join(piece.text for piece in pieces)
    return Wish(_number(question.get("number")), text, kind, now + wait_s if wait_s else 0.0, now + life_s, pieces)


def _number(value: object) -> str:
    """A mobile number of the country in any writing as E.164; others as ``+`` and 8 to 15 digits, or a short code."""
    written = value if isinstance(value, str) else ""
    if known := identity.read_phone(written):
        return known
    digits = re.sub(r"[\s.\-()]+", "", written[:40])
    if not _NUMBER.fullmatch(digits):
        raise Unfit("the number is not one; write it as +6281234567890, 081234567890 or a short code such as 4444")
    return digits


def _text(value: object) -> str:
    text = value if isinstance(value, str) else ""
    if not text.strip():
        raise Unfit("the text is empty; write what is to be sent")
    if len(text) > _MOST_CHARACTERS:
        raise Unfit(f"the text has {len(text)} characters; {MOST_PARTS} parts hold at most {_MOST_CHARACTERS}")
    if _UNSENDABLE.search(text):
        raise Unfit("the text holds control characters; only line breaks may stand in an SMS")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("the text is not valid Unicode; save it as UTF-8") from None
    return text


def _pieces(text: str, *, transliterate: bool) -> tuple[Piece, ...]:
    pieces = concat.split(text, 0, transliterate=transliterate)
    if len(pieces) > MOST_PARTS:
        raise Unfit(f"the text needs {len(pieces)} parts; at most {MOST_PARTS} are sent, so shorten it")
    return pieces


def _kind(value: object) -> Kind:
    if value not in get_args(Kind):
        raise Unfit(f"the kind is {' or '.join(get_args(Kind))}")
    return cast(Kind, value)


def _span(value: object, what: str, *, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= MOST_AHEAD_S:
        raise Unfit(f"{what} is from {least:.0f} seconds to 30 days")
    return float(value)
