"""What becomes of rows: a peer's words are kept without the person they are about."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.config import Upstream
from edge.queue.request import Request, uuid7
from edge.queue.settlement import Settlement, Trial
from edge.queue.sink import Dead, Declined, Delivered
from edge.queue.store import files, outbox
from edge.queue.store.migrate import migrate
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal

REQUESTS = Requests(Seal(bytes(32)))
REQUEST = Request(
    id=uuid7(1_000_000, 1),
    ticket="K01-M2",
    letter="SKTM",
    source="desk",
    state="received",
    version=1,
    nik="3510152306089909",
    name="SITI AMINAH",
)


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A store with one request."""
    migrate(tmp_path / "box.db")
    with closing(files.connect(tmp_path / "box.db")) as connection:
        REQUESTS.add(connection, REQUEST, now=1.0)
        connection.execute("UPDATE outbox SET state = 'delivered', settled_at = 1")
        yield connection


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        ("rt_answered", {"answer": "ya"}, "403 Siti Aminah is of another village"),
        ("attachment", {"name": "KK Bu Sumarni.pdf"}, "422 unreadable: kk bu sumarni.pdf of Aminah"),
    ],
)
def test_a_refusal_is_kept_without_whom_it_names(
    conn: sqlite3.Connection, kind: str, payload: dict[str, str], words: str
) -> None:
    """A portal that repeats a name writes it in clear on the card, where it outlives the sealed request."""
    outbox.put(conn, REQUESTS.seal, REQUEST.id, kind, json.dumps(payload), now=2.0)
    rows = outbox.claim(conn, REQUESTS.seal, limit=1, now=10.0, most_wait_s=600)
    assert [row.kind for row in rows] == [kind]
    settlement = Settlement(REQUESTS, Upstream(url="https://portal.example"), lambda _attempt, _outcome: 1.0)
    settlement.record(conn, rows, [Dead(words)], Trial(), now=11.0)
    (error,) = conn.execute("SELECT error FROM outbox WHERE state = 'dead'").fetchone()
    (detail,) = conn.execute("SELECT detail FROM audit WHERE kind = 'dead-letter'").fetchone()
    for told in (error, detail):
        assert not any(name in told.lower() for name in ("siti", "aminah", "sumarni"))
        assert words[:3] in told


def test_a_request_that_a_sink_has_no_place_for_is_for_a_person(conn: sqlite3.Connection) -> None:
    """A whole request is put aside as if it were a detail that nobody misses, and its people wait for ever."""
    outbox.put(conn, REQUESTS.seal, REQUEST.id, "request", "{}", now=2.0)
    rows = outbox.claim(conn, REQUESTS.seal, limit=1, now=10.0, most_wait_s=600)
    settlement = Settlement(REQUESTS, Upstream(url="https://portal.example"), lambda _attempt, _outcome: 1.0)
    settlement.record(conn, rows, [Declined("no place for it")], Trial(), now=11.0)
    state, error = conn.execute("SELECT state, error FROM outbox WHERE seq = 2").fetchone()
    assert (state, error) == ("dead", "no place for it")


def test_a_closed_request_is_not_opened_by_an_old_answer(conn: sqlite3.Connection) -> None:
    """A request that was given up on the box is called forwarded because a late answer says so."""
    REQUESTS.move(conn, REQUEST.id, "rejected", by="outbox", now=2.0)
    outbox.put(conn, REQUESTS.seal, REQUEST.id, "request", "{}", now=2.0)
    rows = outbox.claim(conn, REQUESTS.seal, limit=1, now=10.0, most_wait_s=600)
    settlement = Settlement(REQUESTS, Upstream(url="https://portal.example"), lambda _attempt, _outcome: 1.0)
    settlement.record(conn, rows, [Delivered()], Trial(), now=11.0)
    after = REQUESTS.get(conn, REQUEST.id)
    assert after is not None
    assert after.state == "rejected"
