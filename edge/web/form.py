"""The body of POST /v1/requests: JSON to a `NewRequest` whose every field fits, or all that is wrong with it.

No message repeats what was sent: a NIK in the wrong field must not come back in an answer or a log.
"""

from __future__ import annotations

import re

import msgspec

from edge.queue.desk import NewRequest
from edge.sms.identity import is_kk, is_womans, read_nik
from edge.sms.letters import LETTERS
from edge.web.problem import FieldError

RULES = {
    "letter": f"one of {', '.join(sorted(LETTERS))}",
    "nik": "16 digits as on the card, with a real date of birth and a serial; empty only for LAHIR",
    "name": "2 to 100 letters, spaces and . , ' - on one line",
    "kk": "empty, or the 16 digits of the family card with a real date",
    "phone": "empty, or international form such as +6281234567890",
    "rt": "null, or a whole number from 1 to 999",
    "rw": "null, or a whole number from 1 to 999",
    "purpose": "empty, or at most 200 characters on one line",
}
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .,'’\-])+")
_FIELD = re.compile(r"\$\.([a-z]+)`$|required field `([a-z]+)`$|^([a-z]+): ")
_decoder = msgspec.json.Decoder(NewRequest)


class Malformed(Exception):
    """The body is not JSON at all; the message says where."""


class Unfit(Exception):
    """The body is JSON but no request that can be accepted; `errors` names each field that is wrong."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


def read(body: bytes) -> NewRequest:
    """The request in `body`. Raises `Malformed` or `Unfit`."""
    try:
        new = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unfit((_misfit(str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(_where(error)) from None
    wrong = [field for field, fits in _judged(new).items() if not fits]
    if wrong:
        raise Unfit(tuple(FieldError(field, f"must be {RULES[field]}") for field in wrong))
    return new


def _judged(new: NewRequest) -> dict[str, bool]:
    """What the types cannot say: whether the numbers are real ones and the words printable."""
    return {
        "letter": new.letter in LETTERS,
        "nik": new.nik == "" or read_nik(new.nik).value == new.nik,
        "name": bool(_NAME.fullmatch(new.name)),
        "kk": new.kk == "" or (is_kk(new.kk) and not is_womans(new.kk)),
        "phone": new.phone.isprintable(),
        "purpose": new.purpose.isprintable(),
    }


def _misfit(message: str) -> FieldError:
    found = _FIELD.search(message)
    field = next(filter(None, found.groups()), "") if found else ""
    if field in RULES:
        return FieldError(field, f"must be {RULES[field]}")
    if "unknown field" in message:
        return FieldError("", f"holds an unknown field; allowed are {', '.join(RULES)}")
    return FieldError("", "must be one JSON object")


def _where(error: Exception) -> str:
    place = re.search(r"\(byte \d+\)$", str(error))
    return f"the JSON cannot be read {place[0]}" if place else "the JSON cannot be read"
