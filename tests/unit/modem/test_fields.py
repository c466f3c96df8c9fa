from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.fields import (
    Address,
    PduError,
    Reader,
    alphabet_of,
    read_address,
    read_timestamp,
    write_address,
)
from tests.unit.modem.deliver import write_timestamp


def address(hexadecimal: str) -> Address:
    return read_address(Reader(bytes.fromhex(hexadecimal)), "sender")


@pytest.mark.parametrize(
    ("hexadecimal", "wanted"),
    [
        ("0B911346610089F6", Address("+31641600986")),
        ("04815155", Address("1555")),
        ("0381A1F2", Address("1*2")),
        ("0DD0E474D81C0EBB01", Address("diafaan", alphanumeric=True)),
        ("0ED0E474D81C0EBB01", Address("diafaan", alphanumeric=True)),  # seven characters written as eight
        ("0481A1F2", Address("1*2")),  # the filler counted
        ("0091", Address("+")),
    ],
)
def test_addresses(hexadecimal: str, wanted: Address) -> None:
    """A reply would go to a wrong number, or to a name."""
    assert address(hexadecimal) == wanted


numbers = st.from_regex(r"\A\+?[0-9*#abc]{1,20}\Z")
names = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef &-_.", min_size=1, max_size=11)


@given(st.one_of(numbers.map(Address), names.map(lambda name: Address(name, alphanumeric=True))))
def test_addresses_come_back(wanted: Address) -> None:
    """A number or name would change on its way."""
    assert read_address(Reader(write_address(wanted)), "sender") == wanted


@pytest.mark.parametrize("text", ["", "+", "12 34", "Telkomsel", "1" * 21])
def test_what_no_address_holds_is_refused(text: str) -> None:
    """A wrong number would be sent as some other number."""
    with pytest.raises(ValueError, match=r"digits"):
        write_address(Address(text))


@pytest.mark.parametrize("hexadecimal", ["", "0B", "0B91", "0B9113466100", "20D0" + "00" * 16, "0491F121"])
def test_broken_addresses_are_errors(hexadecimal: str) -> None:
    """A cut or contradictory address would be guessed."""
    with pytest.raises(PduError):
        address(hexadecimal)


@pytest.mark.parametrize(
    ("hexadecimal", "wanted"),
    [
        ("20806291731408", "2002-08-26T19:37:41+00:00"),
        ("62112221034582", "2026-11-22T12:30:54+07:00"),
        ("6211222103458A", "2026-11-22T12:30:54-07:00"),
        ("00000000000000", ""),
        ("62312221034582", ""),
        ("F2112221034582", ""),
        ("99309251619580", "1999-03-29T15:16:59+02:00"),
    ],
)
def test_timestamps(hexadecimal: str, wanted: str) -> None:
    """A message would get a wrong time, or a strange stamp would cost the message."""
    assert read_timestamp(bytes.fromhex(hexadecimal)) == wanted


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2089, 12, 31)),  # noqa: DTZ001 - the zone follows
    st.integers(-48, 56),
)
def test_timestamps_come_back(moment: datetime, quarters: int) -> None:
    """Time zones, negative ones too, would shift the time."""
    stamped = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    assert read_timestamp(write_timestamp(stamped)) == stamped.isoformat()


@pytest.mark.parametrize(
    ("coding", "alphabet"),
    [
        (0x00, "gsm7"),
        (0x04, "8bit"),
        (0x08, "ucs2"),
        (0x0C, "gsm7"),
        (0x10, "gsm7"),
        (0x18, "ucs2"),
        (0x48, "ucs2"),
        (0x80, "gsm7"),
        (0xC8, "gsm7"),
        (0xD8, "gsm7"),
        (0xE0, "ucs2"),
        (0xF1, "gsm7"),
        (0xF5, "8bit"),
    ],
)
def test_data_codings(coding: int, alphabet: str) -> None:
    """Text would be read in a wrong alphabet."""
    assert alphabet_of(coding) == alphabet


def test_compressed_text_is_an_error() -> None:
    """Compressed bytes would be shown as text."""
    with pytest.raises(PduError, match="compressed"):
        alphabet_of(0x20)
