from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.modem.pin import PinMemory
from tests.contract.modem_rig import MemoryMailbox, until


@asynccontextmanager
async def keeping(code: str, mailbox: MemoryMailbox) -> AsyncIterator[PinMemory]:
    memory = PinMemory(code, mailbox, modem="modem", store_again_s=0.01)
    task = asyncio.create_task(memory.run())
    try:
        yield memory
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_pin_is_written_down_before_it_is_given() -> None:
    """Killed between the PIN and the SIM's answer, the next process would give it once more."""
    mailbox = MemoryMailbox(full=True)
    async with keeping("1234", mailbox) as memory:
        assert not memory.pin.noted
        memory.pin.want()
        memory.pin.want()  # the session asks again while the store takes nothing
        with pytest.raises(TimeoutError):
            await until(lambda: memory.pin.noted, 0.1)
        mailbox.full = False
        await until(lambda: memory.pin.noted)
        assert mailbox.memory["sim_pin"].startswith("spent ")
        assert "1234" not in mailbox.memory["sim_pin"]
        memory.pin.refuse()
        await until(lambda: mailbox.memory["sim_pin"].startswith("refused "))
        assert not memory.pin.spent
        mailbox.memory["sim_pin"] = mailbox.memory["sim_pin"].replace("refused", "spent")
    async with keeping("1234", mailbox) as memory:
        memory.pin.want()
        await until(lambda: memory.pin.noted)
        assert (memory.pin.spent, memory.pin.refused) == (True, False)


@pytest.mark.parametrize(("code", "refused"), [("1234", True), ("4321", False)])
async def test_what_the_sim_refused_is_known_by_the_credential(code: str, refused: bool) -> None:
    """A refused PIN would be given again after a restart, or the corrected one never."""
    mailbox = MemoryMailbox()
    async with keeping("1234", mailbox) as memory:
        memory.pin.want()
        memory.pin.refuse()
        await until(lambda: mailbox.memory.get("sim_pin", "").startswith("refused "))
    async with keeping(code, mailbox) as memory:
        memory.pin.want()
        await until(lambda: memory.pin.noted)
        assert (memory.pin.spent, memory.pin.refused) == (refused, refused)


async def test_a_store_that_cannot_be_read_is_not_one_that_knows_nothing() -> None:
    """A refused PIN would be given once more because the disk failed for a moment as the daemon started."""
    mailbox = MemoryMailbox()
    async with keeping("1234", mailbox) as memory:
        memory.pin.want()
        memory.pin.refuse()
        await until(lambda: mailbox.memory.get("sim_pin", "").startswith("refused "))
    mailbox.unreadable = True
    async with keeping("1234", mailbox) as memory:
        memory.pin.want()
        with pytest.raises(TimeoutError):
            await until(lambda: memory.pin.noted, 0.1)
        mailbox.unreadable = False
        await until(lambda: memory.pin.noted)
        assert memory.pin.refused


@pytest.mark.parametrize("code", ["1234", ""])
async def test_an_open_sim_or_no_credential_ends_what_was_known(code: str) -> None:
    """A PIN that was wrong for another SIM could never be used again."""
    mailbox = MemoryMailbox()
    async with keeping("1234", mailbox) as memory:
        memory.pin.want()
        memory.pin.refuse()
        await until(lambda: mailbox.memory.get("sim_pin", "").startswith("refused "))
    async with keeping(code, mailbox) as memory:
        memory.pin.open()
        await until(lambda: mailbox.memory["sim_pin"] == "")
        assert not memory.pin.noted
