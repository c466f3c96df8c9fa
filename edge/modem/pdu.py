"""Pure: SMS transfer protocol data units as a modem shows and takes them (3GPP TS 23.040 clause 9.2.2).

A PDU here is the hexadecimal line of TS 27.005: the service centre's address, then the TPDU. Whatever is cut off or
contradicts itself is a `PduError`; nothing is guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem.concat import Concat, Piece
from edge.modem.fields import (
    Address,
    PduError,
    Reader,
    alphabet_of,
    read_address,
    read_timestamp,
    write_address,
)
from edge.modem.userdata import read_user_data, write_user_data

__all__ = ["Address", "Deliver", "PduError", "StatusReport", "Submit", "decode", "encode_submit"]

_DELIVER, _SUBMIT, _STATUS_REPORT = 0, 1, 2
_RELATIVE_VALIDITY, _REPORT, _HEADER = 0x10, 0x20, 0x40
_VALIDITY_OCTETS = (0, 7, 1, 7)  # by TP-VPF: none, enhanced, relative, absolute
_UCS2 = 0x08
_THREE_DAYS = 0xA9  # relative validity: (166 + days)
_MOST_HEX = 2 * (12 + 180)


@dataclass(frozen=True, slots=True)
class Deliver:
    """A received message or part. `timestamp` is ISO 8601, "" if unreadable; `port` is set for applications' data."""

    sender: Address
    text: str
    timestamp: str
    concat: Concat | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Submit:
    """A message to be sent; `reference` is its TP-MR."""

    recipient: Address
    text: str
    reference: int
    concat: Concat | None
    report: bool


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What became of the message with TP-MR `reference`: `delivered`, failed (False), or still being tried (None)."""

    recipient: Address
    reference: int
    delivered: bool | None
    status: int


def decode(line: str, *, length: int | None = None) -> Deliver | Submit | StatusReport:
    """The TPDU in a modem's hexadecimal `line`; `length` is the octets of the TPDU where the modem told it.

    A modem only ever lists types 0 (DELIVER), 1 (SUBMIT, stored drafts) and 2 (STATUS-REPORT). Raises `PduError`.
    """
    if len(line) > _MOST_HEX:
        raise PduError("longer than any PDU")
    try:
        octets = bytes.fromhex(line)
    except ValueError:
        raise PduError("not hexadecimal") from None
    reader = Reader(octets)
    centre = reader.octet("service centre")
    reader.take(centre, "service centre")
    if length is not None and length != len(octets) - 1 - centre:
        raise PduError(f"{len(octets) - 1 - centre} octets where the modem announced {length}")
    first = reader.octet("first octet")
    if first & 3 == _DELIVER:
        return _read_deliver(reader, first)
    if first & 3 == _SUBMIT:
        return _read_submit(reader, first)
    if first & 3 == _STATUS_REPORT:
        return _read_report(reader)
    raise PduError("reserved message type 3")


def _read_deliver(reader: Reader, first: int) -> Deliver:
    sender = read_address(reader, "sender")
    reader.octet("protocol")
    alphabet = alphabet_of(reader.octet("data coding"))
    timestamp = read_timestamp(reader.take(7, "time stamp"))
    data = read_user_data(reader, alphabet, has_header=bool(first & _HEADER))
    return Deliver(sender, data.text, timestamp, data.concat, data.port)


def _read_submit(reader: Reader, first: int) -> Submit:
    reference = reader.octet("reference")
    recipient = read_address(reader, "recipient")
    reader.octet("protocol")
    alphabet = alphabet_of(reader.octet("data coding"))
    reader.take(_VALIDITY_OCTETS[(first >> 3) & 3], "validity")
    data = read_user_data(reader, alphabet, has_header=bool(first & _HEADER))
    return Submit(recipient, data.text, reference, data.concat, bool(first & _REPORT))


def _read_report(reader: Reader) -> StatusReport:
    reference = reader.octet("reference")
    recipient = read_address(reader, "recipient")
    reader.take(14, "time stamps")
    status = reader.octet("status")
    return StatusReport(recipient, reference, _delivered(status), status)


def _delivered(status: int) -> bool | None:
    """TP-ST (clause 9.2.3.15): below 0x20 done, below 0x40 tried further, above that given up."""
    if status < 0x20:
        return True
    return None if status < 0x40 else False


def encode_submit(recipient: Address, piece: Piece, *, reference: int = 0, report: bool = True) -> tuple[str, int]:
    """The hexadecimal line for AT+CMGS and its argument, the octets of the TPDU; valid three days, SIM's own centre."""
    first = _SUBMIT | _RELATIVE_VALIDITY
    first |= (_REPORT if report else 0) | (_HEADER if piece.concat else 0)
    coding = _UCS2 if piece.unicode else 0
    head = bytes((first, reference)) + write_address(recipient) + bytes((0, coding, _THREE_DAYS))
    tpdu = head + write_user_data(piece)
    return "00" + tpdu.hex().upper(), len(tpdu)
