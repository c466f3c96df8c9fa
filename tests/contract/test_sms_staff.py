"""`kampung-edge sms staff`: what villagers wrote for people is read by people: a real process, socket and store."""

from __future__ import annotations

import json
import sqlite3

import pytest

from edge.control import Refused
from edge.queue.store import staff
from edge.queue.store.messages import Part
from edge.sms.staff import StaffByHand
from tests.contract.sms_rig import MASKED, NUMBER, SEAL, Box, box, call

__all__ = ["box"]

WORDS = "jalan rusak di krajan, tolong pak"


async def written(box: Box, text: str = WORDS, *, kind: str = "complaint", ticket: str = "U01-L9") -> int:
    """A message came in and was put into the staff's inbox; its number there."""

    def work(conn: sqlite3.Connection) -> int:
        pdu = text.encode().hex()
        part = Part(
            modem="modem",
            sender=NUMBER,
            alphanumeric=False,
            text=text,
            timestamp="",
            reference=None,
            total=1,
            sequence=1,
            pdu=pdu,
        )
        box.messages.add_part(conn, part, now=1.0, assemble="".join)
        (inbound,) = conn.execute("SELECT max(id) FROM inbound").fetchone()
        box.messages.tell_staff(conn, inbound, kind, ticket=ticket, now=1.0)
        return int(conn.execute("SELECT max(id) FROM staff_message").fetchone()[0])

    return await box.store.write(work)


async def test_a_complaint_is_read_and_noted_as_read(box: Box) -> None:
    """A villager was told that the office answers, and nobody could ever see what was written."""
    first, second = await written(box), await written(box, "kebakaran pak", kind="emergency", ticket="")
    done = await call(box, "staff", "--reveal")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == [str(first), str(second)]
    for words in (NUMBER, WORDS, "complaint", "U01-L9"):
        assert words in lines[0]
    done = await call(box, "staff", "--read", str(first))
    assert (done.returncode, done.stdout) == (0, f"{first}: read\n".encode())
    left = json.loads((await call(box, "staff", "--json")).stdout)["messages"]
    assert [row["id"] for row in left] == [second]
    every = json.loads((await call(box, "staff", "--all", "--json")).stdout)["messages"]
    assert [row["read_at"] is None for row in every] == [False, True]
    done = await call(box, "staff", "--read", str(first), "--read", "99", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"done": [], "not_unread": [first, 99]})


async def test_the_page_counts_what_nobody_has_read(box: Box) -> None:
    """The office would learn of a complaint when the villager comes and asks."""
    first = await written(box)
    await written(box, "lampu mati")
    assert await box.store.read(staff.waiting) == 2
    await call(box, "staff", "--read", str(first))
    assert await box.store.read(staff.waiting) == 1


async def test_numbers_and_texts_are_shown_only_when_asked_for_and_that_is_audited(box: Box) -> None:
    """Whoever looks over a shoulder would read who complains of what, and nobody know who looked."""
    await written(box)
    done = await call(box, "staff")
    assert MASKED in done.stdout.decode()
    for words in (NUMBER, WORDS):
        assert words not in done.stdout.decode()
    assert await box.audited() == []
    await call(box, "staff", "--reveal")
    ((kind, subject, detail),) = await box.audited()
    assert (kind, subject) == ("staff-reveal", "1-1")
    assert WORDS not in detail


async def test_what_damage_took_is_still_named(box: Box) -> None:
    """One message that does not open would hide all others."""
    lost, other = await written(box), await written(box, "lampu mati")
    await box.store.write(lambda conn: conn.execute("UPDATE inbound SET text = zeroblob(60) WHERE id = 1") and None)
    rows = json.loads((await call(box, "staff", "--reveal", "--json")).stdout)["messages"]
    assert [(row["id"], row["text"]) for row in rows] == [(lost, None), (other, "lampu mati")]


async def test_fifty_long_texts_fit_into_an_answer(box: Box) -> None:
    """The staff could not read a single message any more once many long ones wait."""
    for number in range(50):
        await written(box, f"{number}" + "\N{FIRE}" * 2_000)
    done = await call(box, "staff", "--reveal", "--limit", "50", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(json.loads(done.stdout)["messages"]) == 50


@pytest.mark.parametrize("question", [{"limit": 51}, {"limit": True}, {}])
async def test_a_list_has_a_bound(box: Box, question: dict[str, object]) -> None:
    """One question would read the whole store."""
    with pytest.raises(Refused, match="1 to 50"):
        await StaffByHand(box.store, SEAL, clock=box.clock).handlers()["sms-staff"](question)


@pytest.mark.parametrize("ids", [None, [], ["1"], [True], [0], [1] * 1_001])
async def test_numbers_that_are_none_are_refused(box: Box, ids: object) -> None:
    """A program's mistake would be taken for a message that was read."""
    with pytest.raises(Refused, match="ids is a list"):
        await StaffByHand(box.store, SEAL, clock=box.clock).handlers()["sms-staff-read"]({"ids": ids})
