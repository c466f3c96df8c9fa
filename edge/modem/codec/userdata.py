"""Pure: the user data of a TPDU and its header (3GPP TS 23.040 clause 9.2.3.24)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.modem import gsm7
from edge.modem.codec import ucs2
from edge.modem.codec.coding import Alphabet
from edge.modem.codec.fields import PduError, Reader
from edge.modem.concat import Concat, Piece

MOST_OCTETS = 140
_CONCAT_8, _PORTS_8, _PORTS_16, _CONCAT_16, _SINGLE_SHIFT, _LOCKING_SHIFT = 0x00, 0x04, 0x05, 0x08, 0x24, 0x25
_LENGTHS = {_CONCAT_8: 3, _PORTS_8: 2, _PORTS_16: 4, _CONCAT_16: 4, _SINGLE_SHIFT: 1, _LOCKING_SHIFT: 1}


@dataclass(frozen=True, slots=True)
class UserData:
    """What a TPDU carries. 8-bit data are shown an octet a character (U+0000 to U+00FF), so nothing of them is lost.

    `port` is where an application (MMS, WAP push) waits for it, None for people; `source_port` whence it came.
    `flawed`: some characters are of a national table that is not carried, and are U+FFFD.
    """

    text: str
    concat: Concat | None = None
    port: int | None = None
    source_port: int | None = None
    flawed: bool = False


@dataclass(frozen=True, slots=True)
class _Header:
    concat: Concat | None = None
    port: int | None = None
    source_port: int | None = None
    single: int = 0
    locking: int = 0


def read_user_data(
    reader: Reader, alphabet: Alphabet, *, has_header: bool, last: bool = True, most: int = MOST_OCTETS
) -> UserData:
    """The user data field of at most `most` octets; if it is the `last` one it must end where the PDU ends.

    `PduError` where it is cut off, does not end there, or contradicts itself.
    """
    length = reader.octet("user data length")
    wanted = (length * 7 + 7) // 8 if alphabet == "gsm7" else length
    octets = reader.rest() if last else reader.take(wanted, "user data")
    if wanted > most:
        raise PduError(f"{wanted} octets of user data, more than {most}")
    if len(octets) != wanted:
        raise PduError(f"{len(octets)} octets of user data where its length says {wanted}")
    header, size = _read_header(octets) if has_header else (_Header(), 0)
    text = _text(octets, length, alphabet, header, size)
    # Neither the default tables nor the carried ones hold U+FFFD: there it can only stand for what they lack.
    flawed = alphabet == "gsm7" and gsm7.UNKNOWN in gsm7.join(text)
    return UserData(text, header.concat, header.port, header.source_port, flawed)


def _text(octets: bytes, length: int, alphabet: Alphabet, header: _Header, size: int) -> str:
    if alphabet == "8bit":
        return octets[size:].decode("latin-1")
    if alphabet == "ucs2":
        try:
            return ucs2.decode(octets[size:])
        except ValueError as error:
            raise PduError(str(error)) from error
    skipped = (size * 8 + 6) // 7
    if skipped > length:
        raise PduError("a header longer than the user data")
    septets = gsm7.unpack(octets[size:], length - skipped, fill=skipped * 7 - size * 8)
    return gsm7.decode(septets, locking=header.locking, single=header.single)


def _read_header(octets: bytes) -> tuple[_Header, int]:
    reader = Reader(octets)
    size = reader.octet("header length")
    elements = Reader(reader.take(size, "header"))
    header = _Header()
    while elements.left:
        identity, length = elements.octet("header element"), elements.octet("header element")
        header = _understand(header, identity, elements.take(length, "header element"))
    return header, size + 1


def _understand(header: _Header, identity: int, data: bytes) -> _Header:
    """`header` with one more element, of which the last of a kind counts; unknown elements and impossible part
    numbers are ignored, as the clause says."""
    if identity not in _LENGTHS:
        return header
    if len(data) != _LENGTHS[identity]:
        raise PduError(f"header element {identity:#04x} of {len(data)} octets")
    if identity in (_CONCAT_8, _CONCAT_16):
        *reference, total, sequence = data
        if not 1 <= sequence <= total:
            return header
        number = int.from_bytes(bytes(reference), "big")
        return replace(header, concat=Concat(number, total, sequence, wide=identity == _CONCAT_16))
    if identity in (_PORTS_8, _PORTS_16):
        half = len(data) // 2
        port, source = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
        return replace(header, port=port, source_port=source)
    return replace(header, single=data[0]) if identity == _SINGLE_SHIFT else replace(header, locking=data[0])


def alphabet_of(piece: Piece) -> Alphabet:
    """The alphabet in which `piece` is written."""
    if piece.binary:
        return "8bit"
    return "ucs2" if piece.unicode else "gsm7"


def write_user_data(piece: Piece) -> bytes:
    """The user data field of `piece`, length first. ValueError when it does not fit one TPDU."""
    header = _write_header(piece.concat) if piece.concat else b""
    if alphabet_of(piece) == "gsm7":
        skipped = (len(header) * 8 + 6) // 7
        septets = gsm7.encode(piece.text)
        octets = header + gsm7.pack(septets, fill=skipped * 7 - len(header) * 8)
        length = skipped + len(septets)
    else:
        octets = header + (piece.text.encode("latin-1") if piece.binary else ucs2.encode(piece.text))
        length = len(octets)
    if len(octets) > MOST_OCTETS:
        raise ValueError(f"{len(octets)} octets do not fit one TPDU")
    return bytes((length,)) + octets


def _write_header(concat: Concat) -> bytes:
    place = bytes((concat.total, concat.sequence))
    if concat.wide:
        return bytes((6, _CONCAT_16, 4)) + concat.reference.to_bytes(2, "big") + place
    return bytes((5, _CONCAT_8, 3, concat.reference)) + place
