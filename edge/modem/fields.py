"""Pure: what TPDUs share: addresses, time stamps, data coding (3GPP TS 23.040 clauses 9.1 and 9.2.3, TS 23.038)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

from edge.modem import gsm7

Alphabet = Literal["gsm7", "8bit", "ucs2"]
_GENERAL: tuple[Alphabet, ...] = ("gsm7", "8bit", "ucs2", "gsm7")
_DIGITS = "0123456789*#abc"
_INTERNATIONAL, _ALPHANUMERIC = 1, 5
_MOST_SEMI_OCTETS = 20


class PduError(ValueError):
    """A PDU that is cut off, contradicts itself or uses what no text message does; it never holds the PDU's content."""


class Reader:
    """Octets taken one field after the other; `PduError` where there are too few."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, count: int, what: str) -> bytes:
        """The next `count` octets."""
        taken = self._octets[self._at : self._at + count]
        if len(taken) < count:
            raise PduError(f"cut off in its {what}")
        self._at += count
        return taken

    def octet(self, what: str) -> int:
        """The next octet as a number."""
        return self.take(1, what)[0]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._octets) - self._at, "end")


@dataclass(frozen=True, slots=True)
class Address:
    """A number ("+628..." when international, else its digits) or, if `alphanumeric`, a name of up to 11 characters."""

    text: str
    alphanumeric: bool = False


def read_address(reader: Reader, what: str) -> Address:
    """An address field (clause 9.1.2.5)."""
    length = reader.octet(what)
    if length > _MOST_SEMI_OCTETS + 2:
        raise PduError(f"{what} longer than {_MOST_SEMI_OCTETS} digits")
    kind = reader.octet(what)
    octets = reader.take((length + 1) // 2, what)
    if _type_of(kind) == _ALPHANUMERIC:
        return Address(_name(octets, length), alphanumeric=True)
    return Address(("+" if _type_of(kind) == _INTERNATIONAL else "") + _number(octets, length, what))


def _type_of(octet: int) -> int:
    return (octet >> 4) & 7


def _name(octets: bytes, length: int) -> str:
    count = length * 4 // 7
    septets = gsm7.unpack(octets, count)
    # Seven characters written as 14 semi-octets leave a whole septet of padding, which would read as "@".
    if count % 8 == 0 and septets.endswith(b"\0"):
        septets = septets[:-1]
    return gsm7.decode(septets)


def _number(octets: bytes, length: int, what: str) -> str:
    halves = [half for octet in octets for half in (octet & 0xF, octet >> 4)][:length]
    if len(halves) > 1 and halves[-1] == 0xF:  # some modems count the filler
        halves.pop()
    if any(half == 0xF for half in halves):
        raise PduError(f"{what} has a filler among its digits")
    return "".join(_DIGITS[half] for half in halves)


def write_address(address: Address) -> bytes:
    """An address field; ValueError for what no address can hold."""
    if address.alphanumeric:
        septets = gsm7.encode(address.text)
        length, kind, octets = (len(septets) * 7 + 3) // 4, 0xD0, gsm7.pack(septets)
    else:
        digits = address.text.removeprefix("+")
        if not digits or any(digit not in _DIGITS for digit in digits):
            raise ValueError("a number consists of digits, * and #")
        halves = [_DIGITS.index(digit) for digit in digits] + [0xF] * (len(digits) % 2)
        octets = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
        length, kind = len(digits), 0x91 if address.text.startswith("+") else 0x81
    if length > _MOST_SEMI_OCTETS:
        raise ValueError(f"an address has at most {_MOST_SEMI_OCTETS} digits or 11 characters")
    return bytes((length, kind)) + octets


def read_timestamp(octets: bytes) -> str:
    """ISO 8601 of a service centre time stamp (clause 9.2.3.11); "" for one that names no moment, such as all zeros."""
    halves = [(octet & 0xF, octet >> 4) for octet in octets]
    quarters = (halves[6][0] & 7) * 10 + halves[6][1]
    zone = timedelta(minutes=15 * (-quarters if halves[6][0] & 8 else quarters))
    if any(half > 9 for pair in halves[:6] for half in pair) or halves[6][1] > 9:
        return ""
    year, month, day, hour, minute, second = (tens * 10 + ones for tens, ones in halves[:6])
    century = 1900 if year >= 90 else 2000
    try:
        moment = datetime(century + year, month, day, hour, minute, second, tzinfo=timezone(zone))
    except ValueError:
        return ""
    return moment.isoformat()


def alphabet_of(coding: int) -> Alphabet:
    """The alphabet of a data coding scheme (TS 23.038 clause 4); reserved ones read as GSM 7 bit, as it demands."""
    group = coding >> 4
    if group < 0x8:
        if coding & 0x20:
            raise PduError("compressed text")
        return _GENERAL[(coding >> 2) & 3]
    if group == 0xE:
        return "ucs2"
    if group == 0xF:
        return "8bit" if coding & 4 else "gsm7"
    return "gsm7"
