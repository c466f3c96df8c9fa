"""The network's side of a PDU, which the modem's room only reads (3GPP TS 23.040 clauses 9.2.2.1 and 9.2.3.11)."""

from __future__ import annotations

from datetime import datetime

from edge.modem.concat import Piece
from edge.modem.fields import Address, write_address
from edge.modem.userdata import write_user_data

_NO_MORE_MESSAGES, _HEADER, _UCS2 = 0x04, 0x40, 0x08


def encode_deliver(sender: Address, piece: Piece, moment: datetime) -> tuple[str, int]:
    """A DELIVER as a modem lists it (without a service centre), and the octets of the TPDU."""
    first = _NO_MORE_MESSAGES | (_HEADER if piece.concat else 0)
    coding = _UCS2 if piece.unicode else 0
    tpdu = bytes((first,)) + write_address(sender) + bytes((0, coding)) + write_timestamp(moment)
    tpdu += write_user_data(piece)
    return "00" + tpdu.hex().upper(), len(tpdu)


def write_timestamp(moment: datetime) -> bytes:
    """A service centre time stamp; the zone is rounded to quarters of an hour."""
    zone = moment.utcoffset()
    assert zone is not None
    quarters = round(zone.total_seconds() / 900)
    values = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second, abs(quarters))
    octets = bytearray(value // 10 | (value % 10) << 4 for value in values)
    octets[6] |= 8 if quarters < 0 else 0
    return bytes(octets)
