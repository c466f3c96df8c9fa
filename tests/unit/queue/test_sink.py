"""What is kept of a peer's words."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Upstream
from edge.queue.lane import Lane
from edge.queue.sink import KINDS, Change, Parcel, Retry, scrub

REQUEST = (
    b'{"id": "r", "ticket": "T", "letter": "SKTM", "created_at": "2026-11-22T00:00:00.000+00:00", "applicant": {}}'
)


@pytest.mark.parametrize(
    ("text", "personal", "wanted"),
    [
        ("letter is unknown", (), "letter is unknown"),
        ("NIK 3510152306089909 is unknown", (), "NIK … is unknown"),
        ("NIK 3510 1523 0608 9909 / +62 812-3456-7001", (), "NIK … / +…"),
        ("Siti Aminah is not a resident", ("SITI AMINAH", "SITI", "AMINAH"), "… is not a resident"),
        ("two\nlines\tand\x00more", (), "two lines andmore"),
        ("", ("",), ""),
    ],
)
def test_scrub(text: str, personal: tuple[str, ...], wanted: str) -> None:
    """A portal's error message carries a villager's data into a log."""
    assert scrub(text, personal) == wanted


@given(st.text(max_size=2000))
def test_scrubbed_text_is_short_and_of_one_line(text: str) -> None:
    """Some text of a peer floods or forges a log."""
    clean = scrub(text)
    assert len(clean) <= 200
    assert clean.isprintable()


def test_what_travels_names_nobody_in_a_log_line() -> None:
    """A traceback or a log line shows a villager's data."""
    assert repr(Parcel("e", "r", "request", Lane.REQUEST, 1, 0.0, b"SITI")) == "Parcel(request e)"
    assert "SITI" not in repr(Change("e", "r", "rejected", 2, "SITI"))


def test_every_choice_of_the_configuration_is_a_kind() -> None:
    """A configuration that passes its check would end the daemon at its start, or a kind could not be chosen."""
    assert set(get_args(get_type_hints(Upstream)["sink"])) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sink_that_reaches_nobody_says_retry(kind: str) -> None:
    """A kind that raises for a dead network would crash the forwarder instead of waiting."""
    settings = Upstream(url="https://127.0.0.1:1", connect_timeout_s=1)
    sink = KINDS[kind]()(settings, code="3510052001", key="key")
    try:
        (outcome,) = await sink.deliver([Parcel("e", "r", "request", Lane.REQUEST, 1, 0.0, REQUEST)])
        assert isinstance(outcome, Retry)
        assert isinstance(await sink.changes("", at_once=True), Retry)
    finally:
        await sink.close()
