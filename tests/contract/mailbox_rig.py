"""What the mailbox's tests do to an office: queue a message, give it to the modem, have it fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.modem.errors import Fault
from edge.modem.mailbox import Ended, Outgoing
from edge.queue.store.outgoing import Kind
from tests.contract.office import CITIZEN, Office, open_office

NIGHT = datetime(2026, 11, 22, 22, 0, tzinfo=ZoneInfo("Asia/Jakarta")).timestamp()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as opened:
        yield opened


async def queue(office: Office, kind: Kind, text: str = "Halo", number: str = CITIZEN) -> int:
    return await office.within(
        lambda conn: office.messages.outgoing.queue(
            conn,
            kind=kind,
            code="HELP",
            number=number,
            text=text,
            now=office.clock.now,
        )
    )


async def next_one(office: Office) -> Outgoing:
    outgoing = await office.start()
    assert outgoing is not None
    return outgoing


async def next_soon(office: Office) -> Outgoing:
    """The next message, as the driver waits for it."""
    while (choice := await office.mailbox.choose()).outgoing is None:
        await office.mailbox.wait(choice.wait_s)
    return await next_one(office)


async def fail(office: Office, message: Outgoing, fault: Fault, error: str = "+CMS ERROR") -> None:
    await office.mailbox.record(Ended(message.id, "failed", error, fault))


async def count(office: Office, sql: str) -> int:
    return int(await office.one(sql))
