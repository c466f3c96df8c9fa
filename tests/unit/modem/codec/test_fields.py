from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec.fields import Address, PduError, Reader, read_address, read_centre, write_address, write_centre


def address(hexadecimal: str) -> Address:
    return read_address(Reader(bytes.fromhex(hexadecimal)), "sender")


@pytest.mark.parametrize(
    ("hexadecimal", "wanted"),
    [
        ("0B911346610089F6", Address("+31641600986")),
        ("04815155", Address("1555")),
        ("0381A1F2", Address("1*2")),
        ("0BA12618214365F7", Address("62811234567")),  # national: no plus
        ("05C92143F5", Address("12345")),  # of a reserved kind: digits all the same
        ("0481A1F2", Address("1*2")),  # the filler counted
        ("0091", Address("")),
        ("0DD0E474D81C0EBB01", Address("diafaan", alphanumeric=True)),
        ("0ED0E474D81C0EBB01", Address("diafaan", alphanumeric=True)),  # seven characters written as eight
        ("0ED04927F1390D5201", Address("INDOSAT", alphanumeric=True)),
        ("10D0D4327BFD6ECFCB6C", Address("Telkomsel", alphanumeric=True)),
        ("09D049B7F90D00", Address("Info@", alphanumeric=True)),
        ("0BD09B72D26D7E03", Address("€Info", alphanumeric=True)),
        ("02D041", Address("A", alphanumeric=True)),
    ],
)
def test_addresses(hexadecimal: str, wanted: Address) -> None:
    """A reply would go to a wrong number, or to a name; a name of seven would end in "@"."""
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


@pytest.mark.parametrize("hexadecimal", ["", "0B", "0B91", "0B9113466100", "17D0" + "00" * 12, "0491F121"])
def test_broken_addresses_are_errors(hexadecimal: str) -> None:
    """A cut or contradictory address would be guessed."""
    with pytest.raises(PduError):
        address(hexadecimal)


@pytest.mark.parametrize(
    ("hexadecimal", "number"),
    [
        ("00", ""),
        ("07912618010000F0", "+62811000000"),
        ("0791261801000010", "+628110000001"),
        ("0581001800F0", "0081000"),
        ("07FFFFFFFFFFFFFF", ""),  # a SIM without a centre
        ("0191", ""),
        ("0A9126180100000000F0FF", "+628110000000000"),  # filled up
    ],
)
def test_service_centres(hexadecimal: str, number: str) -> None:
    """The centre's number could not be restored when the SIM has lost it."""
    reader = Reader(bytes.fromhex(hexadecimal) + b"\x04")
    assert read_centre(reader) == number
    assert reader.left == 1


@given(numbers)
def test_service_centres_come_back(number: str) -> None:
    """Messages would be given to a wrong centre."""
    assert read_centre(Reader(write_centre(number))) == number


@pytest.mark.parametrize("hexadecimal", ["", "07", "0791261801", "0C91" + "11" * 11, "0491F12111"])
def test_broken_service_centres_are_errors(hexadecimal: str) -> None:
    """A length octet changed by noise would shift all that follows."""
    with pytest.raises(PduError, match="service centre"):
        read_centre(Reader(bytes.fromhex(hexadecimal)))


@pytest.mark.parametrize("number", ["Telkomsel", "+", "+6281 1", "1" * 21])
def test_what_no_service_centre_is_is_refused(number: str) -> None:
    """A typing error in the configuration would make every message fail at the network."""
    with pytest.raises(ValueError, match="digits"):
        write_centre(number)
