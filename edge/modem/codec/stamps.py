"""Pure: moments and validity periods in TPDUs (3GPP TS 23.040 clauses 9.2.3.11 and 9.2.3.12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from edge.modem.codec.fields import PduError, Reader

STAMP_OCTETS = 7
LONGEST_S = 63 * 7 * 86_400
_MINUTE, _DAY, _WEEK = 60, 86_400, 7 * 86_400
_NONE, _ENHANCED, _RELATIVE, _ABSOLUTE = range(4)  # TP-VPF, clause 9.2.3.3
_EXTENDED, _SINGLE_SHOT = 0x80, 0x40
_QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Validity:
    """How long a message is tried: for `seconds`, or until `moment` (ISO 8601); neither: as the network likes.
    `single_shot`: tried once only."""

    seconds: int | None = None
    moment: str = ""
    single_shot: bool = False


UNLIMITED = Validity()


def read_timestamp(octets: bytes) -> str:
    """ISO 8601 of a service centre time stamp; "" for one that names no moment, such as all zeros.

    Years from 90 on are of the last century. The zone is in quarters of an hour, its sign in bit 3 of the tens.
    """
    halves = [(octet & 0xF, octet >> 4) for octet in octets]
    quarters = (halves[6][0] & 7) * 10 + halves[6][1]
    zone = timedelta(seconds=_QUARTER_S * (-quarters if halves[6][0] & 8 else quarters))
    if any(half > 9 for pair in halves[:6] for half in pair) or halves[6][1] > 9:
        return ""
    year, month, day, hour, minute, second = (tens * 10 + ones for tens, ones in halves[:6])
    century = 1900 if year >= 90 else 2000
    try:
        moment = datetime(century + year, month, day, hour, minute, second, tzinfo=timezone(zone))
    except ValueError:
        return ""
    return moment.isoformat()


def write_timestamp(moment: datetime) -> bytes:
    """A service centre time stamp. ValueError without a time zone, or for a year outside 1990 to 2089."""
    offset = moment.utcoffset()
    if offset is None or not 1990 <= moment.year <= 2089:
        raise ValueError("a time stamp needs a time zone and a year from 1990 to 2089")
    quarters = round(offset.total_seconds() / _QUARTER_S)
    values = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second, abs(quarters))
    octets = bytearray(value // 10 | (value % 10) << 4 for value in values)
    octets[6] |= 8 if quarters < 0 else 0
    return bytes(octets)


def read_validity(reader: Reader, form: int) -> Validity:
    """The TP-VP of a SUBMIT whose TP-VPF is `form`. `PduError` where it is cut off or says what is reserved."""
    if form == _NONE:
        return UNLIMITED
    octets = reader.take(1 if form == _RELATIVE else STAMP_OCTETS, "validity")
    if form == _RELATIVE:
        return Validity(_period(octets[0]))
    if form == _ABSOLUTE:
        return Validity(moment=read_timestamp(octets))
    return _enhanced(octets)


def _period(octet: int) -> int:
    if octet <= 143:
        return (octet + 1) * 5 * _MINUTE
    if octet <= 167:
        return 12 * 3600 + (octet - 143) * 30 * _MINUTE
    return (octet - 166) * _DAY if octet <= 196 else (octet - 192) * _WEEK


def _enhanced(octets: bytes) -> Validity:
    """Clause 9.2.3.12.3: the kind of period in the first octet, then the period."""
    if octets[0] & _EXTENDED:
        raise PduError("validity with an extension")
    kind, single_shot = octets[0] & 7, bool(octets[0] & _SINGLE_SHOT)
    if kind == 0:
        return Validity(single_shot=single_shot)
    if kind == 1:
        return Validity(_period(octets[1]), single_shot=single_shot)
    if kind == 2:
        return Validity(octets[1], single_shot=single_shot)
    if kind == 3:
        hours, minutes, seconds = (_decimal(octet) for octet in octets[1:4])
        return Validity(hours * 3600 + minutes * _MINUTE + seconds, single_shot=single_shot)
    raise PduError("validity of a reserved kind")


def _decimal(octet: int) -> int:
    tens, ones = octet & 0xF, octet >> 4
    if tens > 9 or ones > 9:
        raise PduError("validity that is no time")
    return tens * 10 + ones


def write_period(seconds: float) -> int:
    """The relative TP-VP that lasts `seconds` or, where no octet says that exactly, the next longer one (five minutes
    at least). ValueError for no time at all and beyond 63 weeks."""
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f"a message is valid for up to {LONGEST_S} s, not {seconds:g}")
    return next(octet for octet in range(256) if _period(octet) >= seconds)
