"""Pure: NIK, KK number and phone number: read, judged, masked.

A NIK is 6 digits of region, DDMMYY (the day is 40 higher for women) and 4 of serial; a KK number has the date of its
registration instead. The region says where a number was first issued, so it decides nothing. OpenSID gives people
without a number a temporary one: 0, the ten digits of the village code, five of a serial.
"""

from __future__ import annotations

import re
from calendar import isleap
from dataclasses import dataclass
from typing import Literal

LENGTH = 16
_AS_DIGIT = str.maketrans(
    {
        "O": "0",
        "o": "0",
        "Q": "0",
        "I": "1",
        "i": "1",
        "L": "1",
        "l": "1",
        "|": "1",
        "S": "5",
        "s": "5",
        "B": "8",
        "Z": "2",
        "z": "2",
    }
)
_JOINTS = re.compile(r"[\s.\-]+")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MOBILE = re.compile(r"(?:\+62|0062|62|0)?(8[1-9][0-9]{7,10})")
_DOT = "\u2022"


@dataclass(frozen=True, slots=True)
class Nik:
    """What was read where a NIK was meant. `digits` is how many stood there; `problem` is "" for a good number."""

    value: str
    problem: Literal["", "length", "form"]
    digits: int
    corrected: bool
    temporary: bool

    @property
    def flags(self) -> tuple[str, ...]:
        """What the office should know of a good number."""
        return ("nik_corrected",) * self.corrected + ("nik_temporary",) * self.temporary


def as_digits(text: str) -> str:
    """Join a grouped number and read the letters people type for digits: ``351O 23I2 ...``."""
    return _JOINTS.sub("", text).translate(_AS_DIGIT)


def read_nik(text: str) -> Nik:
    """Judge `text` (digits, perhaps grouped or with letters for digits) as a NIK; `value` is "" unless it is good."""
    joined = _JOINTS.sub("", text)
    digits = joined.translate(_AS_DIGIT)
    corrected = digits != joined
    if len(digits) != LENGTH or not (digits.isascii() and digits.isdigit()):
        return Nik("", "length", sum(d.isdigit() for d in digits), corrected, False)
    temporary = digits[0] == "0" and digits[1] != "0"
    if not (temporary or _is_nik(digits)):
        return Nik("", "form", LENGTH, corrected, False)
    return Nik(digits, "", LENGTH, corrected, temporary)


def is_kk(digits: str) -> bool:
    """Whether `digits` may be a family card's number: 16 digits with a real date and a serial."""
    return _is_sixteen(digits) and digits[0] != "0" and _real_date(int(digits[6:8]), digits) and digits[12:] != "0000"


def is_womans(digits: str) -> bool:
    """Whether the day in a 16-digit number is over 40: then it is a NIK and cannot be a KK number."""
    return _is_sixteen(digits) and int(digits[6:8]) > 40


def _is_nik(digits: str) -> bool:
    day = int(digits[6:8])
    return digits[0] != "0" and digits[12:] != "0000" and _real_date(day - 40 if day > 40 else day, digits)


def _is_sixteen(digits: str) -> bool:
    return len(digits) == LENGTH and digits.isascii() and digits.isdigit()


def _real_date(day: int, digits: str) -> bool:
    month, year = int(digits[8:10]), int(digits[10:12])
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]):
        return False
    return (month, day) != (2, 29) or isleap(1900 + year) or isleap(2000 + year)


def read_phone(text: str) -> str | None:
    """Read a mobile number of the country as E.164 (``+628...``); None when it is not one.

    Takes ``+62``, ``62``, ``0062``, ``0`` and a bare ``8...`` with spaces, dots, dashes and brackets between.
    """
    found = _MOBILE.fullmatch(re.sub(r"[\s.\-()]+", "", text[:40]))
    return f"+62{found[1]}" if found else None


def mask_nik(nik: str) -> str:
    """A NIK or KK number as it may be shown: ``3510••••••••9901``."""
    return f"{nik[:4]}{_DOT * 8}{nik[-4:]}" if len(nik) == LENGTH else _DOT * 4 * bool(nik)


def mask_phone(phone: str) -> str:
    """A phone number as it may be shown: ``+62812••••001``."""
    return f"{phone[:6]}{_DOT * 4}{phone[-3:]}" if len(phone) >= 11 else _DOT * 4 * bool(phone)


def mask_name(name: str) -> str:
    """A name as it may be shown: the first letter of each word, ``S••• A•••``."""
    return " ".join(word[0] + _DOT * 3 for word in name.split())
