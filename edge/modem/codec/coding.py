"""Pure: the data coding scheme of a TPDU, all of its groups (3GPP TS 23.038 clause 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.modem.codec.fields import PduError

Alphabet = Literal["gsm7", "8bit", "ucs2"]
Indicated = Literal["voicemail", "fax", "email", "other"]
FLASH = 0
_GENERAL: tuple[Alphabet, ...] = ("gsm7", "8bit", "ucs2", "gsm7")
_INDICATED: tuple[Indicated, ...] = ("voicemail", "fax", "email", "other")
_COMPRESSED, _CLASS_GIVEN = 0x20, 0x10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message waiting indication of `kind`: set or (not `active`) taken back; not `store`: discard the text."""

    kind: Indicated
    active: bool
    store: bool


@dataclass(frozen=True, slots=True)
class Coding:
    """How a text is written. `message_class` is 0 (flash: shown at once, not stored) to 3, None where none is given;
    `delete`: marked for automatic deletion once read."""

    alphabet: Alphabet = "gsm7"
    message_class: int | None = None
    delete: bool = False
    waiting: Waiting | None = None


PLAIN = Coding()


def read_coding(octet: int) -> Coding:
    """A TP-DCS; reserved ones read as the GSM 7 bit default alphabet, as the clause demands.

    `PduError` for compressed text (TS 23.042), which no network in use carries: its octets are no characters.
    """
    group, low = octet >> 4, octet & 0xF
    if group < 0x8:
        if octet & _COMPRESSED:
            raise PduError("compressed text")
        return Coding(_GENERAL[low >> 2], low & 3 if octet & _CLASS_GIVEN else None, delete=group >= 0x4)
    if group < 0xC:
        return PLAIN
    if group == 0xF:
        return Coding("8bit" if low & 4 else "gsm7", low & 3)
    waiting = Waiting(_INDICATED[low & 3], active=bool(low & 8), store=group != 0xC)
    return Coding("ucs2" if group == 0xE else "gsm7", waiting=waiting)


def write_coding(alphabet: Alphabet, *, message_class: int | None = None) -> int:
    """A TP-DCS of the general group; ValueError for a class beyond 3."""
    if message_class is None:
        return _GENERAL.index(alphabet) << 2
    if not 0 <= message_class <= 3:
        raise ValueError(f"a message has a class from 0 to 3, not {message_class}")
    return _CLASS_GIVEN | _GENERAL.index(alphabet) << 2 | message_class
