"""An office whose file system turns read-only while SMS come; runs under the shim `failing_io`.

`python -m tests.crash.mailbox_failing DIRECTORY` prints, as JSON, how the modem's mailbox answered before, during and
after it, and what the Center made of what came.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections.abc import Awaitable
from pathlib import Path

from edge.modem.mailbox import NotStored
from tests.contract.office import NIK, open_office, until
from tests.crash.store_failing import fail


async def answer(asked: Awaitable[object]) -> object:
    """What the mailbox said, or that it stores nothing."""
    try:
        return await asked
    except NotStored as refused:
        return f"not stored: {'read-only' in str(refused)}"


async def main(directory: Path) -> None:
    """One SMS comes before, one during, and the latter once more afterwards, as the SIM lists it again."""
    said: dict[str, object] = {}
    async with open_office(directory) as office:
        mailbox = office.mailbox
        said["before"] = await answer(mailbox.store([office.part(f"skck {NIK} siti")]))
        await office.outcome()
        fail(directory, 1, -1, errno.EROFS)
        late = office.part("status")
        said["during"] = await answer(mailbox.store([late]))
        said["recover"] = await answer(mailbox.recover())
        said["remember"] = await answer(mailbox.remember("smsc", "+62"))
        said["choose"] = (await mailbox.choose()).outgoing is not None
        fail(directory, 0, 0, 0)

        async def again() -> bool:
            said["after"] = await answer(mailbox.store([late]))
            return said["after"] == 1

        await until(again)
        await until(lambda: replied(office.one("SELECT count(*) FROM outgoing")))
        said["inbound"] = await office.one("SELECT count(*) FROM inbound")
    print(json.dumps(said))


async def replied(asked: Awaitable[object]) -> bool:
    """Whether both SMS have their reply."""
    return await asked == 2


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
