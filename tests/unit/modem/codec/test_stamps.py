from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec.fields import PduError, Reader
from edge.modem.codec.stamps import Validity, read_timestamp, read_validity, write_period, write_timestamp

NONE, ENHANCED, RELATIVE, ABSOLUTE = range(4)


@pytest.mark.parametrize(
    ("hexadecimal", "wanted"),
    [
        ("20806291731408", "2002-08-26T19:37:41+00:00"),
        ("62112221034582", "2026-11-22T12:30:54+07:00"),
        ("6211222103458A", "2026-11-22T12:30:54-07:00"),
        ("62112221034569", "2026-11-22T12:30:54-04:00"),
        ("62112221034522", "2026-11-22T12:30:54+05:30"),
        ("99309251619580", "1999-03-29T15:16:59+02:00"),
        ("98302251619580", "2089-03-22T15:16:59+02:00"),
        ("00000000000000", ""),
        ("62312221034582", ""),
        ("F2112221034582", ""),
        ("621122210345FF", ""),
    ],
)
def test_timestamps(hexadecimal: str, wanted: str) -> None:
    """A message would get a wrong time, or a strange stamp would cost the message."""
    assert read_timestamp(bytes.fromhex(hexadecimal)) == wanted


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2089, 12, 31)),  # noqa: DTZ001 - the zone follows
    st.integers(-48, 56),
)
def test_timestamps_come_back(moment: datetime, quarters: int) -> None:
    """Time zones, negative ones too, would shift the time."""
    stamped = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    assert read_timestamp(write_timestamp(stamped)) == stamped.isoformat()


@given(st.binary(min_size=7, max_size=7))
def test_any_seven_octets_are_a_time_or_none(octets: bytes) -> None:
    """A strange stamp would crash the driver."""
    stamp = read_timestamp(octets)
    assert stamp == "" or datetime.fromisoformat(stamp).tzinfo is not None


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 1, 1), datetime(1989, 12, 31, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)],  # noqa: DTZ001 - the mistake
)
def test_what_no_stamp_says_is_refused(moment: datetime) -> None:
    """A moment would come out a century or some hours off."""
    with pytest.raises(ValueError, match="time zone and a year"):
        write_timestamp(moment)


@pytest.mark.parametrize(
    ("form", "hexadecimal", "wanted"),
    [
        (NONE, "", Validity()),
        (RELATIVE, "00", Validity(300)),
        (RELATIVE, "8F", Validity(12 * 3600)),
        (RELATIVE, "90", Validity(12 * 3600 + 1800)),
        (RELATIVE, "A7", Validity(24 * 3600)),
        (RELATIVE, "A8", Validity(2 * 86_400)),
        (RELATIVE, "C4", Validity(30 * 86_400)),
        (RELATIVE, "C5", Validity(5 * 604_800)),
        (RELATIVE, "FF", Validity(63 * 604_800)),
        (ABSOLUTE, "62112221034582", Validity(moment="2026-11-22T12:30:54+07:00")),
        (ABSOLUTE, "00000000000000", Validity()),
        (ENHANCED, "00000000000000", Validity()),
        (ENHANCED, "40000000000000", Validity(single_shot=True)),
        (ENHANCED, "41A90000000000", Validity(259_200, single_shot=True)),
        (ENHANCED, "021E0000000000", Validity(30)),
        (ENHANCED, "03120345000000", Validity(21 * 3600 + 30 * 60 + 54)),
    ],
)
def test_validities(form: int, hexadecimal: str, wanted: Validity) -> None:
    """A draft on the SIM would show a wrong time to live, or its text would begin at a wrong octet."""
    reader = Reader(bytes.fromhex(hexadecimal))
    assert read_validity(reader, form) == wanted
    assert reader.left == 0


@pytest.mark.parametrize(
    ("form", "hexadecimal"),
    [
        (RELATIVE, ""),
        (ABSOLUTE, "621122"),
        (ENHANCED, "01A9"),
        (ENHANCED, "05000000000000"),  # reserved
        (ENHANCED, "81000000000000"),  # extended
        (ENHANCED, "03A00000000000"),  # no digit
    ],
)
def test_broken_validities_are_errors(form: int, hexadecimal: str) -> None:
    """What says nothing sensible would be guessed."""
    with pytest.raises(PduError, match="validity"):
        read_validity(Reader(bytes.fromhex(hexadecimal)), form)


@given(st.integers(0, 255))
def test_periods_come_back(octet: int) -> None:
    """A message would live longer or shorter than was said."""
    seconds = read_validity(Reader(bytes((octet,))), RELATIVE).seconds
    assert seconds is not None
    assert write_period(seconds) == octet
    assert write_period(seconds - 1) == octet


@pytest.mark.parametrize("seconds", [0, -1, 63 * 604_800 + 1, float("nan")])
def test_what_no_period_says_is_refused(seconds: float) -> None:
    """A message would be dropped at once, or a setting silently be another."""
    with pytest.raises(ValueError, match="is valid for up to"):
        write_period(seconds)
