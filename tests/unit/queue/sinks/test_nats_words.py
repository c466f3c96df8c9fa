"""What is said over NATS, and what a broker's and a regency's words mean."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue.lane import Lane
from edge.queue.sink import Change, Dead, HandedOver, Parcel, Retry
from edge.queue.sinks import nats_words as words

CODE = "3510052001"


def parcel(kind: str, lane: Lane = Lane.EVENT, request: str = "r1") -> Parcel:
    return Parcel("e1", request, kind, lane, 7, 1_764_000_000.0, b'{"a": 1}', 3)


@pytest.mark.parametrize(
    ("kind", "lane", "subject", "type_"),
    [
        ("request", Lane.REQUEST, "requests", "kampung.request.filed"),
        ("cancel_requested", Lane.EVENT, "events", "kampung.request.cancel_requested"),
        ("sms_failed", Lane.SMS, "events", "kampung.request.sms_failed"),
        ("uplink_hour", Lane.DIGEST, "digests", "kampung.uplink.hour"),
    ],
)
def test_each_kind_has_its_subject_and_type(kind: str, lane: Lane, subject: str, type_: str) -> None:
    """A kind of row lands where nobody looks for it."""
    assert words.subject(CODE, parcel(kind, lane)) == f"kampung.{CODE}.{subject}"
    said = json.loads(words.event(CODE, parcel(kind, lane)))
    assert said["type"] == type_
    assert (said["id"], said["source"], said["seq"], said["epoch"]) == ("e1", f"kampung/{CODE}", 7, 3)
    assert said["time"] == "2025-11-24T16:00:00+00:00"


def test_a_row_without_a_request_has_no_subject() -> None:
    """An empty subject makes an event that CloudEvents readers refuse."""
    assert "subject" not in json.loads(words.event(CODE, parcel("uplink_hour", Lane.DIGEST, "")))
    assert json.loads(words.event(CODE, parcel("rt_answered")))["subject"] == "r1"


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (b'{"stream": "KAMPUNG_UP", "seq": 4}', HandedOver),
        (b'{"stream": "KAMPUNG_UP", "seq": 4, "duplicate": true}', HandedOver),
        (b'{"error": {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}}', Retry),
        (b'{"error": {"code": 503, "err_code": 10023, "description": "insufficient resources"}}', Retry),
        (b'{"error": {"code": 400, "err_code": 10054, "description": "message size exceeds maximum"}}', Dead),
        (b"{}", Retry),
        (b'{"stream": "", "seq": 0}', Retry),
        (b"+OK", Retry),
        (b"\xff", Retry),
        (b"[" * 10_000, Retry),
    ],
)
def test_what_a_streams_answer_means(answer: bytes, wanted: type) -> None:
    """An answer that is none hands a row over, or a full stream kills it."""
    assert type(words.settled(answer)) is wanted


def test_changes_and_confirmations_are_told_apart() -> None:
    """A confirmation is taken for a change, or a change is lost beside one."""
    change = {"id": "c1", "type": words.CHANGED, "subject": "r1", "data": {"state": "completed", "version": 2}}
    confirmed = {"id": "c2", "type": words.CONFIRMED, "data": {"events": ["e1", "e2"]}}
    found = words.read(json.dumps(said).encode() for said in (confirmed, change, confirmed))
    assert found == ((Change("c1", "r1", "completed", 2),), ("e1", "e2", "e1", "e2"), 0)


@pytest.mark.parametrize(
    "said",
    [
        {"id": "c1", "type": words.CHANGED, "subject": "", "data": {"state": "completed", "version": 2}},
        {"id": "c1", "type": words.CHANGED, "subject": "r1", "data": {"state": "COMPLETED", "version": 2}},
        {"id": "c1", "type": words.CHANGED, "subject": "r1", "data": {"state": "completed", "version": 0}},
        {"id": "c\n1", "type": words.CHANGED, "subject": "r1", "data": {"state": "completed", "version": 1}},
        {"id": "c1", "type": words.CHANGED, "subject": "r1", "data": {"state": "x", "version": 1, "why": "y" * 501}},
        {"id": "c1", "type": words.CONFIRMED, "data": {"events": ["e"] * 1_001}},
        {"id": "c1", "type": words.CONFIRMED, "data": {"events": "e1"}},
        {"id": "c1", "type": "kampung.else", "data": {}},
        {"id": "c1", "type": words.CHANGED, "subject": "r1"},
    ],
)
def test_what_is_no_event_of_ours_is_counted(said: object) -> None:
    """A message with a limit broken is applied."""
    assert words.read([json.dumps(said).encode()]) == ((), (), 1)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_any_bytes_are_read(messages: list[bytes]) -> None:
    """Some message crashes the receiver."""
    assert words.read(messages) == ((), (), len(messages))


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("$JS.ACK.KAMPUNG_DOWN.box-1.1.17.5.1764000000000000000.0", (17, 5)),
        ("$JS.ACK.hub.ACCOUNT.KAMPUNG_DOWN.box-1.1.17.5.1764000000000000000.0", (17, 5)),
        ("$JS.ACK.hub.ACCOUNT.KAMPUNG_DOWN.box-1.1.17.5.1764000000000000000.0.token", (17, 5)),
        ("$JS.ACK.KAMPUNG_UP.box-1.1.17.5.1764000000000000000.0", None),
        ("$JS.ACK.KAMPUNG_DOWN.box-2.1.17.5.1764000000000000000.0", None),
        ("", None),
        ("_INBOX.x.1", None),
        ("$JS.ACK.a.b.1.17", None),
        ("$JS.ACK.KAMPUNG_DOWN.box-1.1.x.5.1.0", None),
        ("$JS.ACK.KAMPUNG_DOWN.box-1.1.-1.5.1.0", None),
        ("$JS.ACK.KAMPUNG_DOWN.box-1.1.\u0661.5.1.0", None),
        ("$JS.NAK.KAMPUNG_DOWN.box-1.1.17.5.1.0", None),
        ("$JS.ACK" + ".1" * 8, None),
    ],
)
def test_where_a_message_stands(reply: str, wanted: tuple[int, int] | None) -> None:
    """A subject that somebody made up ends the box's forwarding."""
    assert words.place(reply, stream="KAMPUNG_DOWN", consumer="box-1") == wanted
