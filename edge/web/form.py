"""The bodies of the desk API: JSON to a value whose every field fits, or all that is wrong with it.

No message repeats what was sent: a NIK in the wrong field must not come back in an answer or a log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import FieldInfo

from edge.queue.attachments import MOST_BYTES, NewAttachment
from edge.queue.desk import NewRequest
from edge.sms.identity import is_kk, is_womans, read_nik
from edge.sms.letters import LETTERS
from edge.web.problem import FieldError

T = TypeVar("T", bound=msgspec.Struct)

# As JSON Schema writes them too (edge.web.openapi): what is accepted and what is promised must be the same.
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
NAME = rf"^[{_LATIN}][{_LATIN} .,'’-]{{1,99}}$"
# No control, formatting, private or line-breaking characters: what an officer sees is what was sent.
_SEEN = (
    "\u00a1-\u00ac\u00ae-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff01-\uffee"
    "\U0001f000-\U0001faff"
)
PURPOSE = rf"^[ -~{_SEEN}]{{0,200}}$"
FILE_NAME = rf"^[ -.0-\[\]-~{_SEEN}]{{1,100}}$"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Malformed(Exception):
    """The body is not JSON at all; the message says where."""


class Unfit(Exception):
    """The body is JSON but nothing that can be accepted; `errors` names each field that is wrong."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


class WhoseNik(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to search for."""

    nik: str


class Form(Generic[T]):
    """Reads bodies of `kind`: `rules` says of each field what it must be, `real` what its type cannot say."""

    def __init__(
        self,
        kind: type[T],
        rules: Mapping[str, str],
        *,
        real: Callable[[str, Any], bool],
        lacking: Callable[[dict[str, msgspec.Raw]], str] = lambda _: "",
    ) -> None:
        self._kind = kind
        self._rules = rules
        self._real = real
        self._lacking = lacking
        self._decoder = msgspec.json.Decoder(kind)

    def read(self, body: bytes) -> T:
        """The value in `body`. Raises `Malformed` or `Unfit`."""
        try:
            new = self._decode(body)
        except msgspec.ValidationError:
            raise Unfit(self._misfits(body)) from None
        except _UNREADABLE as error:
            raise Malformed(_where(error)) from None
        wrong = [field for field in self._rules if not self._real(field, getattr(new, field))]
        if wrong:
            raise Unfit(tuple(FieldError(field, f"must be {self._rules[field]}") for field in wrong))
        return new

    def _decode(self, body: bytes) -> T:
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError:
            # Some languages know one kind of number only and write 3.0 for 3, which JSON Schema calls an integer.
            given = msgspec.json.decode(body)
            if not isinstance(given, dict):
                raise
            return msgspec.convert({name: _whole(value) for name, value in given.items()}, self._kind)

    def _misfits(self, body: bytes) -> tuple[FieldError, ...]:
        """Everything that is wrong with a body whose types do not fit, field by field."""
        try:
            given = _raw_decoder.decode(body)
        except _UNREADABLE:
            return (FieldError("", "must be one JSON object"),)
        wrong = [
            field.name
            for field in msgspec.structs.fields(self._kind)
            if not (self._fits(field, given[field.name]) if field.name in given else not field.required)
        ]
        lacking = self._lacking({name: raw for name, raw in given.items() if name not in wrong})
        wrong += [lacking] if lacking else []
        errors = [FieldError(field, f"must be {self._rules[field]}") for field in wrong]
        if given.keys() - self._rules.keys():
            errors.append(FieldError("", f"holds an unknown field; allowed are {', '.join(self._rules)}"))
        return tuple(errors)

    def _fits(self, field: FieldInfo, raw: msgspec.Raw) -> bool:
        try:
            return self._real(field.name, msgspec.convert(_whole(msgspec.json.decode(raw)), field.type))
        except _UNREADABLE:
            return False


def _request_is_real(field: str, value: Any) -> bool:
    """Whether the numbers are real ones and the words printable."""
    match field:
        case "letter":
            return value in LETTERS
        case "nik":
            return bool(value == "" or read_nik(value).value == value)
        case "name":
            return _matches(NAME, value)
        case "kk":
            return value == "" or (is_kk(value) and not is_womans(value))
        case "phone":
            return not value.endswith("\n")
        case "purpose":
            return _matches(PURPOSE, value)
    return True


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value) is not None


def _lacks_nik(fitting: dict[str, msgspec.Raw]) -> str:
    """What is wrong only together: a letter that needs a NIK, and none."""
    if not {"nik", "letter"} <= fitting.keys():
        return ""
    nik, letter = (msgspec.json.decode(fitting[name]) for name in ("nik", "letter"))
    return "nik" if not nik and letter != "LAHIR" else ""


def _where(error: Exception) -> str:
    place = re.search(r"\(byte \d+\)$", str(error))
    return f"the JSON cannot be read {place[0]}" if place else "the JSON cannot be read"


RULES = {
    "letter": f"one of {', '.join(sorted(LETTERS))}",
    "nik": "16 digits as on the card, with a real date of birth and a serial; empty only for LAHIR",
    "name": "2 to 100 Latin letters, spaces and . , ' - on one line, a letter first",
    "kk": "empty, or the 16 digits of the family card with a real date",
    "phone": "empty, or international form such as +6281234567890",
    "rt": "null, or a whole number from 1 to 999",
    "rw": "null, or a whole number from 1 to 999",
    "purpose": "empty, or at most 200 characters on one line",
}
REQUEST = Form(NewRequest, RULES, real=_request_is_real, lacking=_lacks_nik)
SEARCH = Form(
    WhoseNik,
    {"nik": "16 digits as on the card, with a real date of birth and a serial"},
    real=lambda _, value: bool(value) and read_nik(value).value == value,
)
ATTACHMENT = Form(
    NewAttachment,
    {
        "sha256": "the SHA-256 of the whole file, as 64 small hexadecimal digits",
        "size": f"a whole number from 1 to {MOST_BYTES}",
        "media_type": "application/pdf, image/jpeg or image/png",
        "name": "1 to 100 printable characters on one line, without / and \\",
    },
    real=lambda field, value: field != "name" or _matches(FILE_NAME, value),
)
