"""What a portal's answers mean, for any answer at all."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.queue.lane import Lane
from edge.queue.sink import Dead, Parcel, Replaced, Retry, Unauthorised
from edge.queue.sinks import https_answers as answers
from edge.queue.sinks.https import _cursor, _inside
from edge.queue.sinks.https_events import BATCH_BYTES_MOST, BATCH_MOST, _batches
from edge.queue.sinks.https_wire import JSON, PROBLEM, Answer

KINDS = st.sampled_from([JSON, PROBLEM, "text/html", "application/octet-stream", ""])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
PARCEL = Parcel("e", "r", "request", Lane.REQUEST, 1, 0.0, b'{"applicant":{"name":"SITI AMINAH"},"purpose":"x"}')


@given(st.integers(100, 599), KINDS, st.binary(max_size=200), st.none() | st.text(max_size=12))
@example(403, PROBLEM, b'{"type":"urn:kampung:problem:installation-replaced"}', None)
@example(403, "text/html", b"<html>", None)
def test_only_the_portal_itself_refuses_for_good(status: int, kind: str, body: bytes, after: str | None) -> None:
    """A captive portal's page makes a dead letter, or an answer ends the task."""
    outcome = answers.refusal(Answer(status, kind, after, body), PARCEL)
    if isinstance(outcome, Dead | Replaced):
        assert status in answers.FOR_GOOD
        assert kind in (JSON, PROBLEM)
    else:
        assert isinstance(outcome, Unauthorised if status == 401 else Retry)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_an_event_that_is_not_taken_now_is_tried_again(status: int) -> None:
    """A busy portal makes a dead letter of an event."""
    outcome = answers.rejected({"status": status}, PARCEL)
    assert isinstance(outcome, Retry)
    assert outcome.own


@given(st.dictionaries(st.sampled_from(["title", "detail", "status", "type"]), JSONS))
def test_a_problem_of_any_shape_is_put_in_words(problem: dict[str, object]) -> None:
    """A portal's own idea of a problem ends the task, or puts a line into the log that never ends."""
    assert len(answers.title(problem, ["SITI"])) <= 200
    assert isinstance(answers.rejected(problem, PARCEL), Dead | Retry | Replaced)


@given(st.binary(max_size=300))
@example(b'{"events":[{"id":"a","subject":"r","data":{"state":"completed","version":1}},7],"cursor":"1"}')
def test_a_page_of_anything_is_read_or_refused(body: bytes) -> None:
    """Bytes that are no page end the task."""
    page = answers.read(body, answers.Page)
    if page is not None:
        found, unreadable = answers.changes(page)
        assert len(found) + unreadable == len(page.events)


@given(st.text(max_size=256), st.text(max_size=256))
def test_a_cursor_inside_a_snapshot_is_read_again(go_on: str, after: str) -> None:
    """A restart in the middle of a snapshot begins it anew, or goes on at the wrong page."""
    assert _inside(_cursor(go_on, after)) == (go_on, after)


@given(st.text(max_size=40))
def test_a_damaged_cursor_begins_the_snapshot_anew(rest: str) -> None:
    """A cursor that the disk spoiled ends the task at every start."""
    assert len(_inside(answers.SNAPSHOT + rest)) == 2


@given(st.lists(st.integers(1, 200_000), max_size=120))
@example([BATCH_BYTES_MOST] * 3)
@example([10] * 101)
def test_batches_hold_everything_in_order_and_within_bounds(sizes: list[int]) -> None:
    """An event is left out of its batch, or a batch is larger than the contract allows."""
    sent = [(PARCEL, bytes(size)) for size in sizes]
    batches = list(_batches(sent))
    assert [len(body) for batch in batches for _, body in batch] == sizes
    for batch in batches:
        assert 0 < len(batch) <= BATCH_MOST
        whole = 2 + sum(len(body) for _, body in batch) + len(batch) - 1
        assert whole <= BATCH_BYTES_MOST or len(batch) == 1
