from __future__ import annotations

import pytest

from edge.modem.codec.coding import Alphabet, Coding, Waiting, read_coding, write_coding
from edge.modem.codec.fields import PduError


@pytest.mark.parametrize(
    ("octet", "wanted"),
    [
        (0x00, Coding("gsm7")),
        (0x04, Coding("8bit")),
        (0x08, Coding("ucs2")),
        (0x0C, Coding("gsm7")),  # reserved
        (0x03, Coding("gsm7")),  # the class counts only where its bit is set
        (0x10, Coding("gsm7", 0)),
        (0x11, Coding("gsm7", 1)),
        (0x18, Coding("ucs2", 0)),
        (0x1B, Coding("ucs2", 3)),
        (0x40, Coding("gsm7", delete=True)),
        (0x48, Coding("ucs2", delete=True)),
        (0x54, Coding("8bit", 0, delete=True)),
        (0x80, Coding("gsm7")),
        (0xBF, Coding("gsm7")),
        (0xC0, Coding("gsm7", waiting=Waiting("voicemail", active=False, store=False))),
        (0xC8, Coding("gsm7", waiting=Waiting("voicemail", active=True, store=False))),
        (0xD9, Coding("gsm7", waiting=Waiting("fax", active=True, store=True))),
        (0xE0, Coding("ucs2", waiting=Waiting("voicemail", active=False, store=True))),
        (0xEA, Coding("ucs2", waiting=Waiting("email", active=True, store=True))),
        (0xEF, Coding("ucs2", waiting=Waiting("other", active=True, store=True))),
        (0xF0, Coding("gsm7", 0)),
        (0xF1, Coding("gsm7", 1)),
        (0xF5, Coding("8bit", 1)),
        (0xFA, Coding("gsm7", 2)),  # bit 3 is reserved
    ],
)
def test_data_codings(octet: int, wanted: Coding) -> None:
    """Text would be read in a wrong alphabet, or a flash message be taken for one to keep."""
    assert read_coding(octet) == wanted


@pytest.mark.parametrize("octet", range(256))
def test_every_octet_has_a_reading(octet: int) -> None:
    """A network's odd choice would crash the driver; compressed bytes would be shown as text."""
    if octet < 0x80 and octet & 0x20:
        with pytest.raises(PduError, match="compressed"):
            read_coding(octet)
    else:
        assert read_coding(octet).alphabet in ("gsm7", "8bit", "ucs2")


@pytest.mark.parametrize("alphabet", ["gsm7", "8bit", "ucs2"])
@pytest.mark.parametrize("message_class", [None, 0, 1, 2, 3])
def test_codings_come_back(alphabet: Alphabet, message_class: int | None) -> None:
    """A text would be sent as another alphabet's."""
    assert read_coding(write_coding(alphabet, message_class=message_class)) == Coding(alphabet, message_class)


def test_a_class_that_is_none_is_refused() -> None:
    """It would spill into the alphabet's bits."""
    with pytest.raises(ValueError, match="class from 0 to 3"):
        write_coding("gsm7", message_class=4)
