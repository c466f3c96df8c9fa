"""Pure: asking the operator by USSD, and reading balance and expiry from what it answers.

3GPP TS 27.007 clause 7.15 (+CUSD); TS 23.038 clause 5 (data coding of cell broadcast and USSD). The texts are the
operators' own and change without notice: what cannot be read for certain is unknown, never 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from edge.modem import gsm7
from edge.modem.codec import ucs2

FURTHER_ACTION = 1
"""<m> of an answer that waits for a choice: the session stays open until it is ended."""
_LONGEST = 1024
_MOST_RP = 1_000_000_000
_ANSWER = re.compile(r'\+CUSD: ?(\d)(?:, ?"(.*)"?(?:, ?(\d{1,3}))?)?', re.DOTALL)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_LATIN_UCS2 = re.compile(r"(?:00[0-9A-Fa-f]{2}){2,}")
_AMOUNT = re.compile(r"(?:Rp|IDR)\.? ?(\d[\d.,]*)(?! ?(?:rb|ribu|jt|juta|k\b|/))(?!\d)", re.IGNORECASE)
_BARE = re.compile(r"\b(?:pulsa|saldo)(?: utama)?(?: anda)?:? ?(\d[\d.,]*)", re.IGNORECASE)
_OWN = re.compile(r"(?:pulsa|saldo|balance|bal\b)[^\d\n]{0,24}$", re.IGNORECASE)
_GROUPED = re.compile(r"(\d{1,3}(?:\.\d{3})+|\d{1,3}(?:,\d{3})+|\d+)(?:[.,]\d{1,2})?")
_WORDS = r"(?:aktif|berlaku|hingga|sampai|expired?|exp|until|\bs[./]?d\b)"
_DATES = re.compile(
    _WORDS + r"[^\d\n]{0,24}(?:(\d{4})-(\d{2})-(\d{2})|(\d{1,2})[./ -]?(\d{1,2}|[a-z]{3,9})[./ -]?(\d{4}|\d{2})(?!\d))",
    re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "mei", "jun", "jul", "agu", "sep", "okt", "nov", "des")
_ENGLISH = {"may": 5, "aug": 8, "ags": 8, "agt": 8, "oct": 10, "dec": 12, "nop": 11}


@dataclass(frozen=True, slots=True)
class Answer:
    """What +CUSD brought: `open` is a menu that waits for a choice."""

    text: str
    open: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """What an answer says; None is unknown. `expires` is ISO 8601, the last day on which the SIM can send."""

    rp: int | None
    expires: str | None


def request(code: str, *, packed: bool) -> str:
    """The command that asks `code`; packed septets in hexadecimal where the modem wants them."""
    string = gsm7.pack(gsm7.encode(code)).hex().upper() if packed else code
    return f'AT+CUSD=1,"{string}",15'


def read_answer(line: str, *, packed: bool) -> Answer | None:
    """The text of a +CUSD line (line breaks inside it kept); None where it is no such line."""
    found = _ANSWER.match(line[:_LONGEST])
    if found is None:
        return None
    string, coding = _split(found[2] or "")
    return Answer(_decode(string, coding, packed=packed), int(found[1]) == FURTHER_ACTION)


def _split(rest: str) -> tuple[str, int]:
    """The string and its data coding: a quotation mark may stand in the text itself, the last one ends it."""
    found = re.match(r'(.*)", ?(\d{1,3})\s*$', rest, re.DOTALL)
    if found:
        return found[1], int(found[2])
    return rest.rstrip('" \n'), 15


def _decode(string: str, coding: int, *, packed: bool) -> str:
    compact = string.strip()
    if _LATIN_UCS2.fullmatch(compact) or (_is_ucs2(coding) and _HEX.fullmatch(compact)):
        return ucs2.join(ucs2.decode(bytes.fromhex(compact)[: len(compact) // 4 * 2]))
    if packed and _HEX.fullmatch(compact):
        octets = bytes.fromhex(compact)
        text = gsm7.join(gsm7.decode(gsm7.unpack(octets, len(octets) * 8 // 7)))
        return text.rstrip("\r@") if len(octets) % 7 == 0 else text.rstrip("\r")
    return string


def _is_ucs2(coding: int) -> bool:
    return coding == 0x11 or (0x40 <= coding < 0x80 and coding & 0x0C == 0x08)


def read_balance(text: str) -> Balance:
    """Balance in rupiah and expiry, as far as `text` says them without doubt."""
    rp, end = _find_amount(text)
    found = _find_date(text[end:]) or _find_date(text)
    return Balance(rp, found)


def _find_amount(text: str) -> tuple[int | None, int]:
    """The balance, and where in the text it ends: one named as such, else the only amount there is."""
    amounts = [(found, value) for found in _AMOUNT.finditer(text) if (value := _number(found[1])) is not None]
    for found, value in amounts:
        if _OWN.search(text[: found.start()]):
            return value, found.end()
    bare = _BARE.search(text)
    if bare and (value := _number(bare[1])) is not None:
        return value, bare.end()
    if len(amounts) == 1 and not _MENU.search(text[: amounts[0][0].start()]):
        return amounts[0][1], amounts[0][0].end()
    return None, 0


_MENU = re.compile(r"\d[.)] ?[^\n]*$")


def _number(written: str) -> int | None:
    found = _GROUPED.fullmatch(written.rstrip(".,"))
    value = int(re.sub(r"\D", "", found[1])) if found else _MOST_RP
    return value if value < _MOST_RP else None


def _find_date(text: str) -> str | None:
    for found in _DATES.finditer(text):
        year, month, day, other_day, other_month, other_year = found.groups()
        if year:
            whole = _date(int(year), int(month), int(day))
        else:
            whole = _date(int(other_year), _month(other_month), int(other_day))
        if whole:
            return whole
    return None


def _month(written: str) -> int:
    if written.isdigit():
        return int(written)
    short = written[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else _ENGLISH.get(short, 0)


def _date(year: int, month: int, day: int) -> str | None:
    try:
        return date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return None
