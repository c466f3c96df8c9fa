"""The daemon's codec against the simulated network's, which was written apart from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.concat import assemble, split
from edge.modem.pdu import Address, Deliver, StatusReport, decode, encode_submit
from edge.simulator import gsm_codec
from tests.unit.modem.test_pdu import sendable


@given(sendable, st.integers(0, 0xFFFF), st.booleans())
def test_the_network_reads_what_the_daemon_writes(text: str, reference: int, wide: bool) -> None:
    """One codec alone would agree with its own mistakes."""
    taken = []
    for piece in split(text, reference, wide=wide):
        submitted = gsm_codec.read_submit(*encode_submit(Address("+6281234567001"), piece, reference=reference & 0xFF))
        assert submitted.number == "+6281234567001"
        assert submitted.wants_report
        place = piece.concat and (piece.concat.reference, piece.concat.total, piece.concat.sequence)
        assert submitted.place == place
        taken.append(submitted.text)
    assert "".join(taken) == text


@given(sendable, st.sampled_from(["+6281234567001", "08123", "Telkomsel", "diafaan", "1818"]))
def test_the_daemon_reads_what_the_network_writes(text: str, sender: str) -> None:
    """One codec alone would agree with its own mistakes."""
    parts = []
    for line, length in gsm_codec.deliveries(sender, text, 77, now=1_795_300_000):
        message = decode(line, length=length)
        assert isinstance(message, Deliver)
        assert message.sender == Address(sender, alphanumeric=not sender.removeprefix("+").isdigit())
        assert message.timestamp.startswith("2026-11-22T")
        assert message.timestamp.endswith("+07:00")
        parts.append(message.text)
    assert assemble(parts) == text


@pytest.mark.parametrize(("status", "delivered"), [(0, True), (0x20, None), (0x41, False)])
def test_status_reports_agree(status: int, delivered: bool | None) -> None:
    """Delivery reports would be matched to nothing."""
    line, length = gsm_codec.status_report("+6281234567001", 200, now=1_795_300_000, status=status)
    report = decode(line, length=length)
    assert isinstance(report, StatusReport)
    assert (report.recipient, report.reference) == (Address("+6281234567001"), 200)
    assert (report.status, report.delivered) == (status, delivered)
    assert report.timestamp == report.discharged
