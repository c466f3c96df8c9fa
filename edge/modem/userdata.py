"""Pure: the user data of a TPDU and its header (3GPP TS 23.040 clause 9.2.3.24)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.modem import gsm7, ucs2
from edge.modem.concat import Concat, Piece
from edge.modem.fields import Alphabet, PduError, Reader

MOST_OCTETS = 140
_CONCAT_8, _PORTS_8, _PORTS_16, _CONCAT_16, _SINGLE_SHIFT, _LOCKING_SHIFT = 0x00, 0x04, 0x05, 0x08, 0x24, 0x25
_LENGTHS = {_CONCAT_8: 3, _PORTS_8: 2, _PORTS_16: 4, _CONCAT_16: 4, _SINGLE_SHIFT: 1, _LOCKING_SHIFT: 1}


@dataclass(frozen=True, slots=True)
class UserData:
    """What a TPDU carries; `port` is where an application (MMS, WAP push) waits for it, None for people."""

    text: str
    concat: Concat | None = None
    port: int | None = None


@dataclass(frozen=True, slots=True)
class _Header:
    concat: Concat | None = None
    port: int | None = None
    single: int = 0
    locking: int = 0


def read_user_data(reader: Reader, alphabet: Alphabet, *, has_header: bool) -> UserData:
    """The user data field; it must end where the PDU ends. `PduError` where it does not, or contradicts itself."""
    length = reader.octet("user data length")
    octets = reader.rest()
    wanted = (length * 7 + 7) // 8 if alphabet == "gsm7" else length
    if len(octets) != wanted or wanted > MOST_OCTETS:
        raise PduError(f"{len(octets)} octets of user data where its length says {wanted}")
    header, size = _read_header(octets) if has_header else (_Header(), 0)
    return UserData(_text(octets, length, alphabet, header, size), header.concat, header.port)


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
    try:
        return gsm7.decode(septets, locking=header.locking, single=header.single)
    except KeyError as error:
        raise PduError(f"unknown national language table {error}") from error


def _read_header(octets: bytes) -> tuple[_Header, int]:
    reader = Reader(octets)
    size = reader.octet("header length")
    elements = Reader(reader.take(size, "header"))
    header, left = _Header(), size
    while left:
        identity, length = elements.octet("header element"), elements.octet("header element")
        header = _understand(header, identity, elements.take(length, "header element"))
        left -= 2 + length
    return header, size + 1


def _understand(header: _Header, identity: int, data: bytes) -> _Header:
    """`header` with one more element; unknown elements and impossible part numbers are ignored, as the clause says."""
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
        return replace(header, port=int.from_bytes(data[: len(data) // 2], "big"))
    return replace(header, single=data[0]) if identity == _SINGLE_SHIFT else replace(header, locking=data[0])


def write_user_data(piece: Piece) -> bytes:
    """The user data field of `piece`, length first. ValueError when it does not fit one TPDU."""
    header = _write_header(piece.concat) if piece.concat else b""
    if piece.unicode:
        octets = header + ucs2.encode(piece.text)
        length = len(octets)
    else:
        skipped = (len(header) * 8 + 6) // 7
        septets = gsm7.encode(piece.text)
        octets = header + gsm7.pack(septets, fill=skipped * 7 - len(header) * 8)
        length = skipped + len(septets)
    if len(octets) > MOST_OCTETS:
        raise ValueError(f"{len(octets)} octets do not fit one TPDU")
    return bytes((length,)) + octets


def _write_header(concat: Concat) -> bytes:
    place = bytes((concat.total, concat.sequence))
    if concat.wide:
        return bytes((6, _CONCAT_16, 4)) + concat.reference.to_bytes(2, "big") + place
    return bytes((5, _CONCAT_8, 3, concat.reference)) + place
