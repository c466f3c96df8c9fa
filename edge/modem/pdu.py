"""Pure: SMS transfer protocol data units as a modem shows and takes them (3GPP TS 23.040 clause 9.2.2).

A PDU here is the hexadecimal line of TS 27.005: the service centre's address, then the TPDU. Whatever is cut off or
contradicts itself is a `PduError`; nothing is guessed. What a modem never lists, the reports that answer DELIVER and
SUBMIT, is in `reports`.
"""

from __future__ import annotations

from edge.modem.codec.coding import PLAIN, Coding, read_coding
from edge.modem.codec.encode import encode_deliver, encode_status_report, encode_submit
from edge.modem.codec.fields import Address, PduError, Reader, read_address, read_centre
from edge.modem.codec.reports import read_additions
from edge.modem.codec.stamps import STAMP_OCTETS, read_timestamp, read_validity
from edge.modem.codec.tpdu import Deliver, StatusReport, Submit, delivered
from edge.modem.codec.userdata import read_user_data

__all__ = [
    "Address",
    "Coding",
    "Deliver",
    "PduError",
    "StatusReport",
    "Submit",
    "decode",
    "encode_deliver",
    "encode_status_report",
    "encode_submit",
]

_DELIVER, _SUBMIT, _STATUS_REPORT = 0, 1, 2
_NO_MORE, _REJECT_DUPLICATES, _REPORT, _HEADER, _REPLY_PATH = 0x04, 0x04, 0x20, 0x40, 0x80
_MOST_HEX = 2 * (12 + 180)
_PADDING = b"\xff"


def decode(line: str, *, length: int | None = None) -> Deliver | Submit | StatusReport:
    """The TPDU in a modem's hexadecimal `line`; `length` is the octets of the TPDU where the modem told it.

    A modem only ever lists types 0 (DELIVER), 1 (SUBMIT, stored drafts) and 2 (STATUS-REPORT). Raises `PduError`.
    """
    octets = from_hexadecimal(line)
    reader = Reader(octets)
    smsc = read_centre(reader)
    if length is not None and length != reader.left:
        raise PduError(f"{reader.left} octets where the modem announced {length}")
    first = reader.octet("first octet")
    if first & 3 == _DELIVER:
        return _read_deliver(reader, first, smsc)
    if first & 3 == _SUBMIT:
        return _read_submit(reader, first, smsc)
    if first & 3 == _STATUS_REPORT:
        return _read_status_report(reader, first, smsc)
    raise PduError("reserved message type 3")


def from_hexadecimal(line: str) -> bytes:
    """The octets of `line`; `PduError` for anything but pairs of hexadecimal digits, and beyond the longest PDU."""
    if len(line) > _MOST_HEX:
        raise PduError("longer than any PDU")
    try:
        octets = bytes.fromhex(line)
    except ValueError:
        octets = b""
    if 2 * len(octets) != len(line):
        raise PduError("not hexadecimal")
    return octets


def _read_deliver(reader: Reader, first: int, smsc: str) -> Deliver:
    sender = read_address(reader, "sender")
    protocol = reader.octet("protocol")
    coding = read_coding(reader.octet("data coding"))
    timestamp = read_timestamp(reader.take(STAMP_OCTETS, "time stamp"))
    data = read_user_data(reader, coding.alphabet, has_header=bool(first & _HEADER))
    return Deliver(
        sender,
        data.text,
        timestamp,
        data.concat,
        data.port,
        smsc,
        protocol,
        coding,
        data.source_port,
        more=not first & _NO_MORE,
        report=bool(first & _REPORT),
        reply_path=bool(first & _REPLY_PATH),
        flawed=data.flawed,
    )


def _read_submit(reader: Reader, first: int, smsc: str) -> Submit:
    reference = reader.octet("reference")
    recipient = read_address(reader, "recipient")
    protocol = reader.octet("protocol")
    coding = read_coding(reader.octet("data coding"))
    validity = read_validity(reader, (first >> 3) & 3)
    data = read_user_data(reader, coding.alphabet, has_header=bool(first & _HEADER))
    return Submit(
        recipient,
        data.text,
        reference,
        data.concat,
        bool(first & _REPORT),
        data.port,
        smsc,
        protocol,
        coding,
        data.source_port,
        validity,
        reject_duplicates=bool(first & _REJECT_DUPLICATES),
        reply_path=bool(first & _REPLY_PATH),
        flawed=data.flawed,
    )


def _read_status_report(reader: Reader, first: int, smsc: str) -> StatusReport:
    reference = reader.octet("reference")
    recipient = read_address(reader, "recipient")
    timestamp = read_timestamp(reader.take(STAMP_OCTETS, "time stamp"))
    discharged = read_timestamp(reader.take(STAMP_OCTETS, "time of discharge"))
    status = reader.octet("status")
    rest = reader.rest()
    # A SIM keeps reports in records filled up with FF, and some modems list the filling too.
    added = read_additions(Reader(rest.rstrip(_PADDING) and rest), has_header=bool(first & _HEADER))
    return StatusReport(
        recipient,
        reference,
        delivered(status),
        status,
        timestamp,
        discharged,
        smsc,
        more=not first & _NO_MORE,
        of_command=bool(first & _REPORT),
        text=added.data.text if added.data else "",
        protocol=added.protocol or 0,
        coding=added.coding or (PLAIN if added.data else None),
    )
