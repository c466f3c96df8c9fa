"""`kampung-edge outbox`: real processes, control socket and store."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.control import Control, Refused
from edge.queue.forwarder import Status
from edge.queue.lane import Lane
from edge.queue.outbox_by_hand import MASK, OutboxByHand, masked
from edge.queue.request import Request
from edge.queue.store import outbox, outbox_view, transitions
from edge.queue.store.database import Store
from edge.queue.store.outbox_view import Depth
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.unit.config_mistakes import DATA

SEAL = Seal(bytes(32))
NIK, NAME = "3510152306089909", "SITI AMINAH"
NOW = SystemClock().wall()


@dataclass
class Box:
    """The daemon's side without a forwarder: rows 1 (a dead request), 2 (held behind it) and 3 (pending)."""

    store: Store
    file: Path
    by_hand: OutboxByHand
    woken: list[None]
    told: list[str]

    async def request(self) -> str:
        """The state of the only request."""
        return await self.store.read(lambda conn: str(conn.execute("SELECT state FROM request").fetchone()[0]))

    async def change(self, statement: str) -> None:
        await self.store.write(lambda conn: conn.execute(statement) and None)

    async def run(self, *words: str) -> tuple[int, str, str]:
        """A command's exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge", "outbox", *words, "--config", str(self.file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def states(self) -> list[str]:
        return await self.store.read(
            lambda conn: [state for (state,) in conn.execute("SELECT state FROM outbox ORDER BY seq")]
        )

    async def audit(self) -> list[str]:
        return await self.store.read(
            lambda conn: [kind for (kind,) in conn.execute("SELECT kind FROM audit ORDER BY seq")]
        )


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    file = tmp_path / "box.toml"
    file.write_text(f'run_dir = "{run_dir}"\n' + (DATA / "warning-kind.toml").read_text())
    store = await Store.open(tmp_path / "box.db", max_mbyte=16, group_commit_ms=1)
    await store.write(_fill)
    status = Status(2, 60.0, 1, NOW, {(Lane.REQUEST, "dead"): Depth(1, 300)}, 340, 12.0, "open", "telkom", 3)
    woken: list[None] = []
    told: list[str] = []
    by_hand = OutboxByHand(
        *(store, Requests(SEAL)),
        clock=SystemClock(),
        status=lambda: status,
        wake=lambda: woken.append(None),
        on_change=lambda _conn, request, _change: told.append(request.state),
    )
    control = Control(run_dir)
    control.offer(by_hand.handlers())
    task = asyncio.create_task(control.run())
    await control.listening.wait()
    try:
        yield Box(store, file, by_hand, woken, told)
    finally:
        task.cancel()
        await asyncio.wait({task})
        await store.close()


def _fill(conn: Any) -> None:
    request = Request(
        id="r1", ticket="K7M2", letter="SKCK", source="desk", state="received", version=1, nik=NIK, name=NAME
    )
    Requests(SEAL).add(conn, request, now=NOW)
    outbox.put(conn, SEAL, "r1", "cancel_requested", "{}", now=NOW)
    outbox.put(conn, SEAL, None, "uplink_hour", '{"uplink": "pde"}', now=NOW)
    (row,) = outbox.claim(conn, SEAL, limit=1, now=NOW, most_wait_s=600)
    outbox.settle(conn, row, "dead", now=NOW, error="422 nik: is not of this village")


async def test_list_and_show_without_personal_data(box: Box) -> None:
    """Whoever looks over the operator's shoulder would read who asked for what."""
    code, out, _ = await box.run("list", "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [(row["seq"], row["lane"], row["state"]) for row in rows] == [
        (1, "request", "dead"),
        (2, "event", "held"),
        (3, "digest", "pending"),
    ]
    _, out, _ = await box.run("list", "--dead")
    assert "K7M2" in out
    assert "422 nik" in out
    assert len(out.splitlines()) == 1
    _, out, _ = await box.run("list", "--all", "--lane", "digest")
    assert len(out.splitlines()) == 1
    code, out, err = await box.run("show", "1")
    assert (code, err) == (0, "")
    assert "1 later row of the same stream waits for it" in out
    assert NIK not in out
    assert NAME not in out
    assert MASK in out
    assert await box.audit() == []
    code, out, err = await box.run("show", "99")
    assert (code, out) == (1, "")
    assert "there is no outbox row 99" in err


async def test_what_is_revealed_is_written_down(box: Box, tmp_path: Path) -> None:
    """Nobody could tell later who took a villager's data off the box."""
    code, out, err = await box.run("show", "1", "--reveal", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["content"]["applicant"]["nik"] == NIK
    target = tmp_path / "dead.jsonl"
    code, _, err = await box.run("export", str(target))
    assert (code, err) == (0, "1 dead row exported\n")
    assert target.stat().st_mode & 0o777 == 0o600
    (row,) = map(json.loads, target.read_text().splitlines())
    assert row["content"]["applicant"]["nik"] == MASK
    assert row["content"]["ticket"] == "K7M2"
    code, _, err = await box.run("export", str(target))
    assert code == 1
    assert err == f"error: {target} is there already; name another file\n"
    assert await box.audit() == ["outbox-reveal"]
    _, out, _ = await box.run("export", "-", "--reveal")
    assert NIK in out
    assert await box.audit() == ["outbox-reveal"] * 2


async def test_retry_lets_a_row_and_those_behind_it_go(box: Box) -> None:
    """A mistake that was put right at the portal would need a new request."""
    code, out, err = await box.run("retry", "1", "3")
    assert code == 1
    assert out == "1: tried again\n"
    assert "3: not dead" in err
    assert await box.states() == ["pending", "held", "pending"]
    assert await box.audit() == ["outbox-retry"]
    assert box.woken, "the sender is not told"
    code, out, _ = await box.run("retry", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"done": [], "not_dead": []})
    code, _, err = await box.run("retry")
    assert code == 2
    assert "--all" in err


async def test_discard_says_what_it_does_before_it_is_done(box: Box) -> None:
    """The operator would take it for tidying up, and a citizen read that the letter is refused."""
    code, _, err = await box.run("discard", "1", "--reason", "test data")
    assert code == 1
    assert "Give 1 row up for good? A request among them is rejected, and its applicant told." in err
    assert (await box.states())[0] == "dead"


async def test_discard_wants_a_reason_and_ends_the_request(box: Box) -> None:
    """A row would vanish without a word, and its request wait for ever for what nobody sends."""
    code, _, err = await box.run("discard", "1", "--yes")
    assert code == 2
    assert "--reason" in err
    code, _, _ = await box.run("discard", "1", "--yes", "--reason", "test data")
    assert code == 0
    assert await box.states() == ["discarded", "withdrawn", "pending"]
    assert await box.audit() == ["outbox-discard"]
    assert (await box.request(), box.told) == ("cancelled", ["cancelled"]), "which had been asked for"
    look = await box.store.read(lambda conn: outbox_view.one(conn, 1))
    assert look is not None
    assert (look.error, look.bytes) == ("discarded: test data", 0)


async def discard(box: Box) -> None:
    code, _, err = await box.run("discard", "1", "--yes", "--reason", "wrong village")
    assert (code, err) == (0, "")


async def test_a_request_that_nobody_cancelled_is_rejected(box: Box) -> None:
    """Its applicant would read that it was cancelled as they wished, or that it is on its way."""
    await box.change("DELETE FROM outbox WHERE seq = 2")
    await discard(box)
    assert (await box.request(), box.told) == ("rejected", ["rejected"])
    why = await box.store.read(lambda conn: transitions.of_request(conn, SEAL, "r1")[-1])
    assert (why.actor, why.before, why.why) == ("outbox", "received", "wrong village")


async def test_what_may_have_arrived_keeps_those_behind_it_and_is_not_called_cancelled(box: Box) -> None:
    """The portal works on a letter whose cancelling was taken back from under it."""
    await box.change("UPDATE outbox SET faults = 1 WHERE seq = 1")
    await discard(box)
    assert await box.states() == ["discarded", "pending", "pending"]
    assert (await box.request(), box.told) == ("rejected", ["rejected"])


@pytest.mark.parametrize(
    "before",
    [
        "UPDATE request SET state = 'forwarded'",
        "UPDATE request SET portal_version = 4",
        "UPDATE request SET state = 'completed'",
        "UPDATE request SET person = x'00'",
        "UPDATE outbox SET kind = 'rt_answered' WHERE seq = 1",
    ],
)
async def test_a_row_of_a_request_that_went_on_ends_alone(box: Box, before: str) -> None:
    """Giving an old row up takes a letter back that the portal has, or fails for one that is damaged."""
    await box.change(before)
    await discard(box)
    assert (await box.states())[0] == "discarded"
    assert box.told == []
    assert await box.request() in ("forwarded", "completed", "received")


async def test_status_tells_depths_and_the_circuit(box: Box) -> None:
    """The engineer could not tell a dead portal from a quiet day."""
    _, out, _ = await box.run("status")
    assert "2 rows wait, the oldest for 1 m" in out
    assert "circuit open" in out
    assert "telkom" in out
    _, out, _ = await box.run("status", "--json")
    said = json.loads(out)
    assert said["depths"] == [{"lane": "request", "state": "dead", "rows": 1, "bytes": 300}]
    assert (said["epoch"], said["next_try_s"]) == (3, 12.0)


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("outbox-list", {"limit": 0}),
        ("outbox-list", {"limit": 10, "lane": "fast"}),
        ("outbox-show", {"seq": True}),
        ("outbox-retry", {}),
        ("outbox-retry", {"seqs": []}),
        ("outbox-retry", {"seqs": ["1; DROP TABLE outbox"]}),
        ("outbox-discard", {"seqs": [1]}),
        ("outbox-discard", {"seqs": [1], "reason": "  "}),
        ("outbox-export", {"after": -1}),
    ],
)
async def test_nonsense_is_refused_with_a_sentence(box: Box, name: str, question: dict[str, Any]) -> None:
    """A wrong question would change rows, or end the daemon's answer with a traceback."""
    with pytest.raises(Refused, match=r"\w+ \w+"):
        await box.by_hand.handlers()[name](question)
    assert await box.states() == ["dead", "held", "pending"]


def test_masking_keeps_the_shape_and_no_person() -> None:
    """A new nested field would carry a name out."""
    value = {"id": "r1", "applicant": {"nik": NIK, "rt": 3, "name": {"first": NAME}}, "missing": ["kk"], "name": ""}
    assert masked(value) == {
        "id": "r1",
        "applicant": {"nik": MASK, "rt": 3, "name": {"first": MASK}},
        "missing": ["kk"],
        "name": "",
    }
