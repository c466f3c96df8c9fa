from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec.coding import Coding
from edge.modem.codec.fields import PduError
from edge.modem.codec.reports import (
    decode_deliver_report,
    decode_submit_report,
    encode_deliver_report,
    encode_submit_report,
)
from edge.modem.codec.tpdu import DeliverReport, SubmitReport
from edge.modem.concat import Concat, Piece

MOMENT = datetime(2026, 11, 22, 12, 30, 54, tzinfo=timezone(timedelta(hours=7)))
STAMP = "62112221034582"
WHEN = "2026-11-22T12:30:54+07:00"


@pytest.mark.parametrize(
    ("hexadecimal", "failed", "wanted"),
    [
        ("0000", False, DeliverReport()),
        ("00D300", True, DeliverReport(0xD3)),  # memory capacity exceeded
        ("0007000402" + "4142", False, DeliverReport(None, "AB", None, 0, Coding("8bit"))),
        ("000402C834", False, DeliverReport(None, "Hi")),
        ("40D00609" + "050003420201" + "9069", True, None),  # octets of the coding lack
        ("40D0060009" + "050003420201" + "9069", True, DeliverReport(0xD0, "Hi", Concat(0x42, 2, 1), None, Coding())),
        ("000801020304", False, DeliverReport()),  # reserved: what follows is ignored
        ("008000", False, DeliverReport()),  # an indicator more, which says nothing
        ("0080808000", False, DeliverReport()),
    ],
)
def test_deliver_reports(hexadecimal: str, failed: bool, wanted: DeliverReport | None) -> None:
    """An acknowledgement would be read as a refusal, or its cause as something else."""
    if wanted is None:
        with pytest.raises(PduError):
            decode_deliver_report(bytes.fromhex(hexadecimal), failed=failed)
    else:
        assert decode_deliver_report(bytes.fromhex(hexadecimal), failed=failed) == wanted


@pytest.mark.parametrize(
    ("hexadecimal", "failed", "wanted"),
    [
        ("0100" + STAMP, False, SubmitReport(WHEN)),
        ("01C500" + STAMP, True, SubmitReport(WHEN, 0xC5)),  # TP-RD: a twin was rejected
        ("0106" + STAMP + "00" + "02C834", False, SubmitReport(WHEN, None, "Hi", None, None, Coding())),
        ("0100" + "00" * 7, False, SubmitReport("")),
    ],
)
def test_submit_reports(hexadecimal: str, failed: bool, wanted: SubmitReport) -> None:
    """A rejected twin would look like a message taken, or the time of acceptance be wrong."""
    assert decode_submit_report(bytes.fromhex(hexadecimal), failed=failed) == wanted


@pytest.mark.parametrize("decode", [decode_deliver_report, decode_submit_report])
@pytest.mark.parametrize("hexadecimal", ["", "00", "01", "02", "03", "0000FF", "000104", "010000", "0080808080808080"])
def test_broken_reports_are_errors(decode: Callable[..., object], hexadecimal: str) -> None:
    """A cut off report would be guessed."""
    with pytest.raises(PduError):
        decode(bytes.fromhex(hexadecimal), failed=True)


pieces = st.one_of(
    st.none(),
    st.builds(Piece, st.text("abc€", max_size=60), st.just(False), st.none()),
    st.builds(Piece, st.text("aā🎉", max_size=30), st.just(True), st.just(Concat(7, 3, 2))),
)


@given(st.one_of(st.none(), st.integers(0, 255)), pieces)
def test_reports_come_back(failure: int | None, piece: Piece | None) -> None:
    """A report that we wrote would be misread by whoever replays it."""
    failed = failure is not None
    wanted = (failure, piece.text, piece.concat) if piece else (failure, "", None)
    taken = decode_deliver_report(encode_deliver_report(failure=failure, piece=piece), failed=failed)
    assert (taken.failure, taken.text, taken.concat) == wanted
    answer = decode_submit_report(encode_submit_report(MOMENT, failure=failure, piece=piece), failed=failed)
    assert (answer.failure, answer.text, answer.concat, answer.timestamp) == (*wanted, WHEN)


@given(st.binary(max_size=60), st.booleans())
def test_any_octets_are_a_report_or_an_error(octets: bytes, failed: bool) -> None:
    """A strange report would crash whoever reads it."""
    for decode in (decode_deliver_report, decode_submit_report):
        with contextlib.suppress(PduError):
            assert isinstance(decode(octets, failed=failed), DeliverReport | SubmitReport)
