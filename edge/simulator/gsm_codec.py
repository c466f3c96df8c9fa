"""The simulated network's own reading of TS 23.040 and TS 23.038, written apart from the rooms it plays against.

It builds what a service centre sends to a phone (SMS-DELIVER, SMS-STATUS-REPORT) and reads what a phone sends to it
(SMS-SUBMIT). Bits are handled as text here, on purpose: slow, plain, and unlike the daemon's arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPED = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
_UNESCAPED = {code: character for character, code in _ESCAPED.items()}
_WIB = timezone(timedelta(hours=7))
_CENTRE = "+6281100000"


class BadSubmit(ValueError):
    """The TPDU is no SMS-SUBMIT that a network would take (+CMS ERROR 304)."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """One SUBMIT as it came; `place` is (reference, total, sequence) of a long message's part.

    `reference` is TP-MR and `rejects_twins` TP-RD, by which the service centre shall know a message sent twice.
    """

    number: str
    text: str
    place: tuple[int, int, int] | None
    wants_report: bool
    reference: int = 0
    rejects_twins: bool = False


def deliveries(sender: str, text: str, reference: int, *, now: float) -> list[tuple[str, int]]:
    """The DELIVERs (hexadecimal line, octets of the TPDU) by which `text` reaches the phone; `now` in Unix seconds."""
    plain = all(character in _BASIC or character in _ESCAPED for character in text)
    chunks = _cut(_codes(text), 160, 153) if plain else _cut_units(text)
    return [
        _deliver(sender, chunk, plain, (reference, len(chunks), place) if len(chunks) > 1 else None, now)
        for place, chunk in enumerate(chunks, 1)
    ]


def status_report(number: str, reference: int, *, now: float, status: int = 0) -> tuple[str, int]:
    """The STATUS-REPORT about the SUBMIT that got `reference`."""
    stamp = _stamp(now)
    tpdu = bytes((0x06, reference)) + _address(number) + stamp + stamp + bytes((status,))
    return _line(tpdu)


def push(sender: str, port: int, content: bytes, *, now: float) -> tuple[str, int]:
    """A DELIVER of 8-bit data for an application port, as the notice of an MMS is (TS 23.040, clause 9.2.3.24.4)."""
    header = bytes((6, 5, 4, port >> 8, port & 255, 35, 240))
    data = bytes((len(header) + len(content),)) + header + content
    return _line(bytes((0x44,)) + _address(sender) + bytes((0, 4)) + _stamp(now) + data)


def packed(text: str) -> bytes:
    """`text` in the default alphabet, septets packed into octets."""
    return _pack([code for group in _codes(text) for code in group], 0)


def unpacked(octets: bytes, septets: int) -> str:
    """The text of so many packed septets; `BadSubmit` when it ends within an escape sequence."""
    return _unpack(octets, septets, 0)


def read_submit(line: str, announced: int) -> Submitted:
    """What the phone hands over after the prompt; `announced` is the argument of AT+CMGS. Raises `BadSubmit`."""
    try:
        octets = bytes.fromhex(line)
        tpdu = octets[1 + octets[0] :]
        if len(tpdu) != announced or tpdu[0] & 3 != 1:
            raise BadSubmit("wrong length or type")
        return _submit(tpdu)
    except (ValueError, IndexError) as error:
        raise BadSubmit(str(error)) from error


def _submit(tpdu: bytes) -> Submitted:
    digits, kind = tpdu[2], tpdu[3]
    end = 4 + (digits + 1) // 2
    swapped = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in tpdu[4:end])[:digits]
    number = ("+" if kind & 0x70 == 0x10 else "") + swapped
    coding = tpdu[end + 1]
    end += 2 + (0, 7, 1, 7)[(tpdu[0] >> 3) & 3]
    length, data = tpdu[end], tpdu[end + 1 :]
    head = data[0] + 1 if tpdu[0] & 0x40 else 0
    place = _place(data[1:head]) if head else None
    if coding == 8:
        if len(data) != length:
            raise BadSubmit("user data length")
        text = data[head:].decode("utf-16-be")  # strict: a divided surrogate pair is refused
    elif coding == 0:
        if len(data) != -(-length * 7 // 8):
            raise BadSubmit("user data length")
        text = _unpack(data, length, -(-head * 8 // 7))
    else:
        raise BadSubmit("data coding")
    return Submitted(number, text, place, bool(tpdu[0] & 0x20), tpdu[1], bool(tpdu[0] & 0x04))


def _place(header: bytes) -> tuple[int, int, int]:
    if header[0] == 0 and len(header) == 5:
        return header[2], header[3], header[4]
    if header[0] == 8 and len(header) == 6:
        return header[2] << 8 | header[3], header[4], header[5]
    raise BadSubmit("user data header")


def _codes(text: str) -> list[list[int]]:
    return [[27, _ESCAPED[c]] if c in _ESCAPED else [_BASIC.index(c)] for c in text]


def _cut(codes: list[list[int]], single: int, part: int) -> list[list[int]]:
    if sum(map(len, codes)) <= single:
        return [[code for group in codes for code in group]]
    chunks: list[list[int]] = [[]]
    for group in codes:
        if len(chunks[-1]) + len(group) > part:
            chunks.append([])
        chunks[-1] += group
    return chunks


def _cut_units(text: str) -> list[list[int]]:
    """As many phones do: cut at 67 units wherever that is, also inside a surrogate pair."""
    octets = text.encode("utf-16-be")
    size = 140 if len(octets) <= 140 else 134
    return [list(octets[start : start + size]) for start in range(0, len(octets), size)] or [[]]


def _deliver(
    sender: str, chunk: list[int], plain: bool, place: tuple[int, int, int] | None, now: float
) -> tuple[str, int]:
    header = bytes((5, 0, 3, *place)) if place else b""
    if plain:
        skipped = -(-len(header) * 8 // 7)
        data = bytes((skipped + len(chunk),)) + header + _pack(chunk, skipped * 7 - len(header) * 8)
    else:
        data = bytes((len(header) + len(chunk),)) + header + bytes(chunk)
    tpdu = bytes((0x44 if place else 0x04,)) + _address(sender) + bytes((0, 0 if plain else 8)) + _stamp(now) + data
    return _line(tpdu)


def _line(tpdu: bytes) -> tuple[str, int]:
    digits, kind, *rest = _address(_CENTRE)
    del digits
    centre = bytes((1 + len(rest), kind, *rest))
    return (centre + tpdu).hex().upper(), len(tpdu)


def _address(text: str) -> bytes:
    digits = text.removeprefix("+")
    if digits.isdigit():
        padded = digits + "f" * (len(digits) % 2)
        swapped = "".join(padded[place + 1] + padded[place] for place in range(0, len(padded), 2))
        return bytes((len(digits), 0x91 if text.startswith("+") else 0x81)) + bytes.fromhex(swapped)
    packed = _pack([code for group in _codes(text) for code in group], 0)
    return bytes((len(packed) * 2, 0xD0)) + packed  # as many centres do: whole octets, whatever the septets need


def _stamp(now: float) -> bytes:
    moment = datetime.fromtimestamp(now, UTC).astimezone(_WIB)
    return bytes(int(f"{value:02}"[::-1], 16) for value in (*_two_digits(moment), 28))


def _two_digits(moment: datetime) -> tuple[int, ...]:
    return (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second)


def _pack(codes: list[int], fill: int) -> bytes:
    bits = "0" * fill + "".join(f"{code:07b}"[::-1] for code in codes)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))


def _unpack(data: bytes, length: int, skipped: int) -> str:
    bits = "".join(f"{octet:08b}"[::-1] for octet in data)
    codes = [int(bits[place * 7 : place * 7 + 7][::-1], 2) for place in range(skipped, length)]
    text, escaped = "", False
    for code in codes:
        if code == 27 and not escaped:
            escaped = True
            continue
        text += _UNESCAPED[code] if escaped and code in _UNESCAPED else _BASIC[code]
        escaped = False
    if escaped:
        raise BadSubmit("an escape sequence is divided")
    return text
