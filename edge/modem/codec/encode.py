"""Pure: TPDUs written: what the daemon sends, and for tests and replays what the network does (TS 23.040 clause 9.2.2).

Each function gives the hexadecimal line, the service centre's address in front, and the octets of the TPDU, which
is the argument of AT+CMGS. ValueError for what no TPDU can say.
"""

from __future__ import annotations

from datetime import datetime

from edge.modem.codec.coding import FLASH, write_coding
from edge.modem.codec.fields import Address, write_address, write_centre
from edge.modem.codec.stamps import write_period, write_timestamp
from edge.modem.codec.userdata import alphabet_of, write_user_data
from edge.modem.concat import Piece

THREE_DAYS_S = 259_200
_DELIVER, _SUBMIT, _STATUS_REPORT = 0, 1, 2
_NO_MORE, _REJECT_DUPLICATES, _RELATIVE_VALIDITY, _REPORT, _HEADER = 0x04, 0x04, 0x10, 0x20, 0x40


def encode_submit(
    recipient: Address,
    piece: Piece,
    *,
    reference: int = 0,
    report: bool = True,
    reject_duplicates: bool = False,
    validity_s: float = THREE_DAYS_S,
    flash: bool = False,
    smsc: str = "",
) -> tuple[str, int]:
    """A SUBMIT with TP-MR `reference` (0 to 255). `validity_s` is rounded up to what the TPDU can say, 63 weeks at
    most; `smsc` "" means the SIM's own centre; see `tpdu.Submit` for the rest."""
    if recipient.alphanumeric:
        raise ValueError("nobody can send to a name")
    first = _SUBMIT | _RELATIVE_VALIDITY | (_HEADER if piece.concat else 0)
    first |= (_REPORT if report else 0) | (_REJECT_DUPLICATES if reject_duplicates else 0)
    head = bytes((first, reference)) + write_address(recipient)
    head += bytes((0, _coding(piece, flash=flash), write_period(validity_s)))
    return _line(smsc, head + write_user_data(piece))


def encode_deliver(
    sender: Address, piece: Piece, moment: datetime, *, smsc: str = "", flash: bool = False, more: bool = False
) -> tuple[str, int]:
    """A DELIVER as a modem lists it; `moment` has a time zone, `more` says that more messages wait."""
    first = _DELIVER | (0 if more else _NO_MORE) | (_HEADER if piece.concat else 0)
    head = bytes((first,)) + write_address(sender) + bytes((0, _coding(piece, flash=flash))) + write_timestamp(moment)
    return _line(smsc, head + write_user_data(piece))


def encode_status_report(
    recipient: Address, reference: int, status: int, sent: datetime, discharged: datetime, *, smsc: str = ""
) -> tuple[str, int]:
    """A STATUS-REPORT with TP-ST `status` on the message with TP-MR `reference`; both moments have time zones."""
    head = bytes((_STATUS_REPORT | _NO_MORE, reference)) + write_address(recipient)
    return _line(smsc, head + write_timestamp(sent) + write_timestamp(discharged) + bytes((status,)))


def _coding(piece: Piece, *, flash: bool) -> int:
    return write_coding(alphabet_of(piece), message_class=FLASH if flash else None)


def _line(smsc: str, tpdu: bytes) -> tuple[str, int]:
    return (write_centre(smsc) + tpdu).hex().upper(), len(tpdu)
