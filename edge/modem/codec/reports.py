"""Pure: the reports that answer a DELIVER or a SUBMIT (3GPP TS 23.040 clauses 9.2.2.1a and 9.2.2.2a).

They travel as acknowledgements (`<ackpdu>` of AT+CNMA and +CMGS, TS 27.005), never in a list, and have no service
centre in front. Whether a failure cause stands in them depends on the layer below, so the caller says it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from edge.modem.codec.coding import PLAIN, Coding, read_coding, write_coding
from edge.modem.codec.fields import PduError, Reader
from edge.modem.codec.stamps import STAMP_OCTETS, read_timestamp, write_timestamp
from edge.modem.codec.tpdu import DeliverReport, SubmitReport
from edge.modem.codec.userdata import UserData, alphabet_of, read_user_data, write_user_data
from edge.modem.concat import Piece

_DELIVER_REPORT, _SUBMIT_REPORT, _HEADER = 0, 1, 0x40
_PROTOCOL, _CODING, _USER_DATA, _RESERVED, _MORE_INDICATORS = 0x01, 0x02, 0x04, 0x78, 0x80
_MOST_OCTETS = 160
_MOST_INDICATORS = 4


@dataclass(frozen=True, slots=True)
class Additions:
    """What a report adds behind its parameter indicator (TP-PI)."""

    protocol: int | None = None
    coding: Coding | None = None
    data: UserData | None = None


def read_additions(reader: Reader, *, has_header: bool) -> Additions:
    """All that the TP-PI announces (clause 9.2.3.27), nothing where the report ends before it.

    Octets behind the user data are ignored where the indicator has reserved bits set, as the clause demands.
    """
    if not reader.left:
        return Additions()
    indicator = reader.octet("parameter indicator")
    further, count = indicator, 1
    while further & _MORE_INDICATORS:
        further, count = reader.octet("parameter indicator"), count + 1
        if count > _MOST_INDICATORS:
            raise PduError("too many parameter indicators")
    protocol = reader.octet("protocol") if indicator & _PROTOCOL else None
    coding = read_coding(reader.octet("data coding")) if indicator & _CODING else None
    open_end = bool(indicator & (_RESERVED | _MORE_INDICATORS))
    data = None
    if indicator & _USER_DATA:
        alphabet = (coding or PLAIN).alphabet
        data = read_user_data(reader, alphabet, has_header=has_header, last=not open_end, most=_MOST_OCTETS)
    if reader.left and not open_end:
        raise PduError("more octets than its parameter indicator announces")
    return Additions(protocol, coding, data)


def decode_deliver_report(tpdu: bytes, *, failed: bool) -> DeliverReport:
    """A DELIVER-REPORT; `failed`: it travelled in an RP-ERROR, so it tells a cause. Raises `PduError`."""
    reader, has_header = _begin(tpdu, _DELIVER_REPORT)
    failure = reader.octet("failure cause") if failed else None
    added = _announced(reader, has_header=has_header)
    text, concat = (added.data.text, added.data.concat) if added.data else ("", None)
    return DeliverReport(failure, text, concat, added.protocol, added.coding)


def decode_submit_report(tpdu: bytes, *, failed: bool) -> SubmitReport:
    """A SUBMIT-REPORT; `failed`: it travelled in an RP-ERROR, so it tells a cause. Raises `PduError`."""
    reader, has_header = _begin(tpdu, _SUBMIT_REPORT)
    failure = reader.octet("failure cause") if failed else None
    indicator = reader.octet("parameter indicator")
    timestamp = read_timestamp(reader.take(STAMP_OCTETS, "time stamp"))
    added = read_additions(Reader(bytes((indicator,)) + reader.rest()), has_header=has_header)
    text, concat = (added.data.text, added.data.concat) if added.data else ("", None)
    return SubmitReport(timestamp, failure, text, concat, added.protocol, added.coding)


def _begin(tpdu: bytes, kind: int) -> tuple[Reader, bool]:
    reader = Reader(tpdu)
    first = reader.octet("first octet")
    if first & 3 != kind:
        raise PduError(f"message type {first & 3} where {kind} was awaited")
    return reader, bool(first & _HEADER)


def _announced(reader: Reader, *, has_header: bool) -> Additions:
    if not reader.left:
        raise PduError("cut off in its parameter indicator")
    return read_additions(reader, has_header=has_header)


def encode_deliver_report(*, failure: int | None = None, piece: Piece | None = None) -> bytes:
    """The TPDU of a DELIVER-REPORT: the message was taken or, with the TP-FCS `failure`, was not."""
    return _write(_DELIVER_REPORT, failure, piece, b"")


def encode_submit_report(moment: datetime, *, failure: int | None = None, piece: Piece | None = None) -> bytes:
    """The TPDU of a SUBMIT-REPORT of `moment`, which has a time zone."""
    return _write(_SUBMIT_REPORT, failure, piece, write_timestamp(moment))


def _write(kind: int, failure: int | None, piece: Piece | None, stamp: bytes) -> bytes:
    first = kind | (_HEADER if piece and piece.concat else 0)
    indicator = _CODING | _USER_DATA if piece else 0
    head = bytes((first,)) + (b"" if failure is None else bytes((failure,))) + bytes((indicator,)) + stamp
    if piece is None:
        return head
    return head + bytes((write_coding(alphabet_of(piece)),)) + write_user_data(piece)
