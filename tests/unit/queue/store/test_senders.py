from __future__ import annotations

from edge.queue.store.seal import Seal
from edge.queue.store.senders import Drafts, Stops
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
PHONE, OTHER = "+6281234567001", "+6281234567002"


def test_a_number_has_one_draft_the_latest() -> None:
    """An old unfinished request would be completed instead of the new one."""
    conn, drafts = database(), Drafts(Seal(bytes(32)))
    drafts.keep(conn, PHONE, {"letter": "SKTM"}, now=NOW)
    drafts.keep(conn, PHONE, {"letter": "SKCK"}, now=NOW + 5)
    assert drafts.get(conn, PHONE) == ({"letter": "SKCK"}, NOW + 5)
    assert drafts.get(conn, OTHER) is None
    drafts.drop(conn, PHONE)
    assert drafts.get(conn, PHONE) is None


def test_drafts_of_yesterday_are_taken_away_once() -> None:
    """A draft would never close, or its sender be told twice."""
    conn, drafts = database(), Drafts(Seal(bytes(32)))
    drafts.keep(conn, PHONE, {"letter": "SKTM"}, now=NOW)
    drafts.keep(conn, OTHER, {"letter": "SKCK"}, now=NOW + 80_000)
    assert drafts.take_expired(conn, now=NOW + 86_401, limit=10) == [(PHONE, {"letter": "SKTM"})]
    assert drafts.take_expired(conn, now=NOW + 86_401, limit=10) == []
    assert drafts.get(conn, OTHER) is not None


def test_stop_holds_until_it_is_taken_back() -> None:
    """Somebody who said STOP would go on hearing, or never hear again."""
    conn, stops = database(), Stops(Seal(bytes(32)))
    stops.add(conn, PHONE, now=NOW)
    stops.add(conn, PHONE, now=NOW + 1)
    assert stops.holds(conn, PHONE)
    assert not stops.holds(conn, OTHER)
    stops.remove(conn, PHONE)
    assert not stops.holds(conn, PHONE)
