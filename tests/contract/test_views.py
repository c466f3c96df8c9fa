"""What the page and a scrape are given, from a real store and the parts as they stand before their first fact."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec
import pytest

from edge.clock import SystemClock
from edge.config import Config
from edge.config_check import load
from edge.health import Health
from edge.modem.status import ModemStatus
from edge.monitor.snmp.figures import DeviceFigures
from edge.queue.request import Request
from edge.queue.store import outbox
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages, Part
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.traffic.controller import Controller
from edge.views import LATEST, Views

EXAMPLE = Path(__file__).parents[2] / "config" / "examples" / "minimal.toml"
REQUESTS = Requests(Seal(bytes(32)))
REQUEST = Request(
    id="0",
    ticket="",
    letter="SKTM",
    source="desk",
    state="received",
    version=1,
    nik="3510152306089909",
    name="SITI AMINAH",
    phone="+6281234567001",
)


@dataclass
class FakeModem:
    """A modem whose status a test sets."""

    name: str = "modem"
    status: ModemStatus = field(default_factory=ModemStatus)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    yield store
    await store.close()


def looking(
    store: Store,
    state_dir: Path,
    health: Health,
    devices: Callable[[], tuple[DeviceFigures, ...]] = tuple,
    modems: tuple[FakeModem, ...] = (),
) -> Views:
    """Views of a box without portal, and with these modems."""
    config: Config = msgspec.structs.replace(load(EXAMPLE), state_dir=str(state_dir))
    clock = SystemClock()
    return Views(
        config,
        store,
        REQUESTS,
        clock=clock,
        health=health,
        watchers=(),
        controller=Controller(config, clock=clock, announce=lambda _event: None, health=health),
        modems=modems,
        forwarder=None,
        devices=devices,
    )


async def test_the_page_gets_the_latest_requests_masked(store: Store, tmp_path: Path) -> None:
    """Whoever passes the office's screen would read a villager's name, or an old request would hide the new."""
    for number in range(LATEST + 2):
        made = replace(REQUEST, id=f"r{number:02}", ticket=f"T{number:02}")
        await store.write(partial(REQUESTS.add, request=made, now=float(number)))
    overview = await looking(store, tmp_path, Health(lambda: 0.0)).overview()
    assert [request.ticket for request in overview.requests] == [f"T{n:02}" for n in range(LATEST + 1, 1, -1)]
    assert {request.name_masked for request in overview.requests} == {"S••• A•••"}
    for secret in (REQUEST.name, REQUEST.nik, REQUEST.phone):
        assert secret not in repr(overview)


async def test_the_page_tells_which_request_was_refused(store: Store, tmp_path: Path) -> None:
    """The office sees that something was refused, and has to call somebody to hear whose letter that is."""
    for number in range(2):
        made = replace(REQUEST, id=f"r{number}", ticket=f"T{number}")
        await store.write(partial(REQUESTS.add, request=made, now=float(number)))

    def refuse(conn: sqlite3.Connection) -> None:
        rows = outbox.claim(conn, Seal(bytes(32)), now=2.0, most_wait_s=60.0, limit=1)
        outbox.settle(conn, rows[0], "dead", now=2.0, error="422")

    await store.write(refuse)
    overview = await looking(store, tmp_path, Health(lambda: 0.0)).overview()
    assert {request.ticket: request.stuck for request in overview.requests} == {"T0": True, "T1": False}


async def test_what_is_not_configured_is_none_and_never_nought(store: Store, tmp_path: Path) -> None:
    """A village without modem and portal would be shown an empty queue and a dead signal."""
    views = looking(store, tmp_path, Health(lambda: 0.0))
    await views.refresh()
    overview, snapshot = await views.overview(), views.snapshot()
    assert (overview.modems, overview.queue) == ((), None)
    assert (snapshot.queue_waiting, snapshot.modems, dict(snapshot.sms_unassigned)) == (None, (), {})
    assert await views.handlers()["modem"]({}) == {"modems": []}
    assert "no [modem] is configured" in views.hindered()[0]
    assert snapshot.classes == tuple((row.name, row.uplink) for row in overview.classes)


async def test_a_disk_that_cannot_be_read_is_unknown(store: Store, tmp_path: Path) -> None:
    """A state directory that is gone would be shown as an empty disk."""
    views = looking(store, tmp_path / "gone", Health(lambda: 0.0))
    host = (await views.overview()).host
    assert host is not None
    assert host.disk_percent is None
    assert views.snapshot().disk_percent is None
    assert 0 < host.memory_percent < 100


async def test_page_and_scrape_show_one_health(store: Store, tmp_path: Path) -> None:
    """The page would be calm while the alert rings."""
    health = Health(lambda: 7.0)
    health.raise_("modem-missing", subject="modem")
    views = looking(store, tmp_path, health)
    assert (await views.overview()).health == views.snapshot().health == health.current()


async def test_page_and_scrape_show_the_devices_and_the_nics(store: Store, tmp_path: Path) -> None:
    """An ONT without power would be seen by nobody."""
    ont = DeviceFigures("ont", "ont", "silent", since=0.0)
    views = looking(store, tmp_path, Health(SystemClock().wall), devices=lambda: (ont,))
    assert [(view.name, view.state) for view in (await views.overview()).devices] == [("ont", "silent")]
    snapshot = views.snapshot()
    assert snapshot.devices == (ont,)
    assert {nic.device for nic in snapshot.nics} >= {uplink.device for uplink in load(EXAMPLE).uplink}


async def test_command_page_and_scrape_show_one_modem(store: Store, tmp_path: Path) -> None:
    """The engineer would be told another thing than the office and the alert."""
    messages = Messages(REQUESTS.seal)
    await store.write(
        partial(messages.outgoing.queue, kind="digest", code="OVERDUE", number="+6281234567001", text="x", now=1.0)
    )
    health = Health(lambda: 7.0)
    health.raise_("modem-network", "+CREG state 2", subject="modem")
    health.raise_("modem-network", subject="another")
    modem = FakeModem(status=ModemStatus("searching", "XL"))
    views = looking(store, tmp_path, health, modems=(modem,))
    (told,) = (await views.handlers()["modem"]({}))["modems"]
    assert (told["state"], told["able"], told["queue"]["waiting"]["digest"]) == ("searching", False, 1)
    assert told["conditions"] == ["modem-network"]
    assert views.hindered() == (f"modem: {told['conclusion']}",)
    assert "+CREG state 2" in told["conclusion"]
    (view,) = (await views.overview()).modems
    assert (view.operator, view.waiting) == ("XL", 1)
    (shown,) = views.snapshot().modems
    assert shown.figures.waiting == {"reply": 0, "notification": 0, "digest": 1}
    modem.status = ModemStatus("ready", registered=True)
    assert views.hindered() == ()


async def test_what_any_of_two_modems_may_send_is_counted_once(store: Store, tmp_path: Path) -> None:
    """A graph's sum would show twice the queue."""
    messages = Messages(REQUESTS.seal)
    for wish in ("", "", "second"):
        await store.write(
            partial(
                messages.outgoing.queue,
                kind="reply",
                code="HELP",
                number="+6281234567001",
                text="x",
                wish=wish,
                now=1.0,
            )
        )
    views = looking(store, tmp_path, Health(lambda: 7.0), modems=(FakeModem("first"), FakeModem("second")))
    await views.refresh()
    snapshot = views.snapshot()
    assert snapshot.sms_unassigned["reply"] == 2
    assert [modem.figures.pending for modem in snapshot.modems] == [0, 1]


async def test_page_and_scrape_count_what_nobody_has_read(store: Store, tmp_path: Path) -> None:
    """A complaint would lie unread in one of 217 villages, and neither the office nor the regency see it."""
    messages = Messages(REQUESTS.seal)

    def work(conn: sqlite3.Connection) -> None:
        part = Part(
            modem="modem",
            sender="+6281234567001",
            alphanumeric=False,
            text="lampu mati",
            timestamp="",
            reference=None,
            total=1,
            sequence=1,
            pdu="00",
        )
        messages.add_part(conn, part, now=1.0, assemble="".join)
        messages.tell_staff(conn, 1, "complaint", now=1.0)

    await store.write(work)
    views = looking(store, tmp_path, Health(lambda: 7.0), modems=(FakeModem(),))
    assert (await views.overview()).unread == 1
    await views.refresh()
    assert views.snapshot().staff_unread == 1
    assert looking(store, tmp_path, Health(lambda: 7.0)).snapshot().staff_unread is None
