"""The body of POST /v1/requests: JSON to a `NewRequest` whose every field fits, or all that is wrong with it.

No message repeats what was sent: a NIK in the wrong field must not come back in an answer or a log.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec.structs import FieldInfo

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
_decoder = msgspec.json.Decoder(NewRequest)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


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
    except msgspec.ValidationError:
        raise Unfit(_misfits(body)) from None
    except _UNREADABLE as error:
        raise Malformed(_where(error)) from None
    wrong = [field for field in RULES if not _real(field, getattr(new, field))]
    if wrong:
        raise Unfit(tuple(FieldError(field, f"must be {RULES[field]}") for field in wrong))
    return new


def _real(field: str, value: Any) -> bool:
    """What the types cannot say: whether the numbers are real ones and the words printable."""
    match field:
        case "letter":
            return value in LETTERS
        case "nik":
            return bool(value == "" or read_nik(value).value == value)
        case "name":
            return bool(_NAME.fullmatch(value))
        case "kk":
            return value == "" or (is_kk(value) and not is_womans(value))
        case "phone" | "purpose":
            return bool(value.isprintable())
    return True


def _misfits(body: bytes) -> tuple[FieldError, ...]:
    """Everything that is wrong with a body whose types do not fit, field by field."""
    try:
        given = _raw_decoder.decode(body)
    except _UNREADABLE:
        return (FieldError("", "must be one JSON object"),)
    wrong = [
        field.name
        for field in msgspec.structs.fields(NewRequest)
        if not (_fits(field, given[field.name]) if field.name in given else not field.required)
    ]
    if not {"letter", "nik"} & set(wrong) and _lacks_nik(given):
        wrong.append("nik")
    errors = [FieldError(field, f"must be {RULES[field]}") for field in wrong]
    if given.keys() - RULES.keys():
        errors.append(FieldError("", f"holds an unknown field; allowed are {', '.join(RULES)}"))
    return tuple(errors)


def _lacks_nik(given: dict[str, msgspec.Raw]) -> bool:
    return not msgspec.json.decode(given["nik"]) and msgspec.json.decode(given["letter"]) != "LAHIR"


def _fits(field: FieldInfo, raw: msgspec.Raw) -> bool:
    try:
        return _real(field.name, msgspec.json.decode(raw, type=field.type))
    except _UNREADABLE:
        return False


def _where(error: Exception) -> str:
    place = re.search(r"\(byte \d+\)$", str(error))
    return f"the JSON cannot be read {place[0]}" if place else "the JSON cannot be read"
