"""Pure: octets read in order, and addresses (3GPP TS 23.040 clause 9.1.2.5; the centre's, TS 24.011 clause 8.2.5)."""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem import gsm7

_DIGITS = "0123456789*#abc"
_FILLER = 0xF
_INTERNATIONAL, _ALPHANUMERIC = 1, 5
_MOST_SEMI_OCTETS = 20
_MOST_CENTRE_OCTETS = 11


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

    @property
    def left(self) -> int:
        """How many octets are left."""
        return len(self._octets) - self._at

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left, "end")


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
    halves = _halves(octets)[:length]
    if len(halves) > 1 and halves[-1] == _FILLER:  # some modems count the filler
        halves.pop()
    return Address(_number(kind, halves, what))


def read_centre(reader: Reader) -> str:
    """The service centre's number in front of a TPDU; "" where there is none."""
    what = "service centre"
    length = reader.octet(what)
    if length == 0:
        return ""
    octets = reader.take(length, what)
    if length > _MOST_CENTRE_OCTETS:
        raise PduError(f"{what} longer than {_MOST_SEMI_OCTETS} digits")
    halves = _halves(octets[1:])
    while halves and halves[-1] == _FILLER:
        halves.pop()
    return _number(octets[0], halves, what)


def _type_of(octet: int) -> int:
    return (octet >> 4) & 7


def _name(octets: bytes, length: int) -> str:
    count = length * 4 // 7
    septets = gsm7.unpack(octets, count)
    # Seven characters written as 14 semi-octets leave a whole septet of padding, which would read as "@".
    if count % 8 == 0 and septets.endswith(b"\0"):
        septets = septets[:-1]
    return gsm7.join(gsm7.decode(septets))


def _halves(octets: bytes) -> list[int]:
    return [half for octet in octets for half in (octet & 0xF, octet >> 4)]


def _number(kind: int, halves: list[int], what: str) -> str:
    if _FILLER in halves:
        raise PduError(f"{what} has a filler among its digits")
    digits = "".join(_DIGITS[half] for half in halves)
    return "+" + digits if digits and _type_of(kind) == _INTERNATIONAL else digits


def write_address(address: Address) -> bytes:
    """An address field; ValueError for what no address can hold."""
    if address.alphanumeric:
        septets = gsm7.encode(address.text)
        length, kind, octets = (len(septets) * 7 + 3) // 4, 0xD0, gsm7.pack(septets)
    else:
        kind, octets = _write_number(address.text)
        length = len(address.text.removeprefix("+"))
    if length > _MOST_SEMI_OCTETS:
        raise ValueError(f"an address has at most {_MOST_SEMI_OCTETS} digits or 11 characters")
    return bytes((length, kind)) + octets


def write_centre(number: str) -> bytes:
    """The service centre's number in front of a TPDU; "" leaves the choice to the SIM. ValueError for no number."""
    if not number:
        return b"\0"
    kind, octets = _write_number(number)
    if 1 + len(octets) > _MOST_CENTRE_OCTETS:
        raise ValueError(f"a service centre has at most {_MOST_SEMI_OCTETS} digits")
    return bytes((1 + len(octets), kind)) + octets


def _write_number(number: str) -> tuple[int, bytes]:
    digits = number.removeprefix("+")
    if not digits or any(digit not in _DIGITS for digit in digits):
        raise ValueError("a number consists of digits, * and #")
    halves = [_DIGITS.index(digit) for digit in digits] + [_FILLER] * (len(digits) % 2)
    octets = bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))
    return (0x91 if number.startswith("+") else 0x81), octets
