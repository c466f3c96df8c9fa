from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulator.gsm_codec import BadSubmit, Submitted, deliveries, read_submit, status_report

NOW = 1_795_300_000
HELLO = "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"


@pytest.mark.parametrize(
    ("line", "length", "wanted"),
    [
        (HELLO, 23, Submitted("+46708251358", "hellohello", None, False)),
        ("00310004812143" + "0008" + "A9" + "02" + "0041", 12, Submitted("1234", "A", None, True)),
        (
            "00710004812143" + "0000" + "A9" + "08" + "050003070201" + "82",
            17,
            Submitted("1234", "A", (7, 2, 1), True),
        ),
    ],
)
def test_submits(line: str, length: int, wanted: Submitted) -> None:
    """The village's phones would show what nobody wrote."""
    assert read_submit(line, length) == wanted


@pytest.mark.parametrize(
    ("line", "length"),
    [
        (HELLO, 22),
        (HELLO[:-2], 22),
        ("", 0),
        ("zz", 1),
        ("00" + "04" + HELLO[4:], 23),  # a DELIVER
        ("0031000481214300" + "04" + "A9" + "0141", 11),  # 8-bit data
        ("00310004812143" + "0008" + "A9" + "02" + "D83C", 12),  # half a surrogate pair
        ("00310004812143" + "0000" + "A9" + "01" + "1B", 11),  # half an escape sequence
    ],
)
def test_bad_submits_are_refused(line: str, length: int) -> None:
    """A daemon that writes nonsense would pass its tests."""
    with pytest.raises(BadSubmit):
        read_submit(line, length)


def test_a_known_delivery() -> None:
    """The simulated network would speak a dialect of its own."""
    ((line, length),) = deliveries("+31641600986", "How are you?", 1, now=NOW)
    assert line.startswith("0691261801000004" + "0B911346610089F60000")
    assert line.endswith("0CC8F71D14969741F977FD07")
    assert length == (len(line) - 14) // 2


@given(st.text(alphabet="abc€@ ", min_size=161, max_size=700))
def test_long_texts_are_parts_that_fit(text: str) -> None:
    """A part would be longer than a SIM's place."""
    parts = deliveries("+628123", text, 7, now=NOW)
    assert len(parts) >= 2
    assert all(length <= 160 for _, length in parts)


def test_a_report_names_its_message() -> None:
    """A report would be about another message."""
    line, length = status_report("+628123", 200, now=NOW, status=0x41)
    assert line[14:18] == "06C8"
    assert line.endswith("41")
    assert length == (len(line) - 14) // 2
