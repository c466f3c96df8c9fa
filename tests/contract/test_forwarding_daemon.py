"""Forwarding through the whole daemon: certificates of the box, and requests that are given up by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.simulator import portal_tls
from tests.office import DESK_KEY, Office, until

VILLAGE = "3510052001"
CITIZEN = "+6281234567001"
BODY = {"letter": "SKTM", "nik": "3510054107859901", "name": "Siti Aminah", "phone": CITIZEN}
PATIENT_S = 60.0


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Office(tmp_path) as office:
        yield office


async def condition(office: Office, code: str) -> dict[str, Any] | None:
    """What health says of a condition, None while it does not hold."""
    _, report = await office.ask("GET", "/healthz")
    held = [each for each in (report or {}).get("conditions", ()) if each["code"] == code]
    return held[0] if held else None


async def detail(office: Office, code: str) -> str:
    held = await condition(office, code)
    return str(held["detail"]) if held else ""


async def filed(office: Office) -> str:
    status, made = await office.ask("POST", "/v1/requests", BODY, key="one")
    assert status == 202, made
    return str(made["id"])


async def state(office: Office, identifier: str) -> str:
    _, shown = await office.ask("GET", f"/v1/requests/{identifier}")
    return str(shown["state"])


async def command(office: Office, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", *words, "--config", str(office.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


def renew(office: Office, village: str, valid: portal_tls.Span | None = None) -> None:
    """A certificate of the box from the portal's authority, with its key, where the daemon reads them."""
    folder = office.directory / "portal"
    files = portal_tls.made(folder, ["localhost", "127.0.0.1"])
    certificate, key = portal_tls.client(files, village, valid)
    for source, target in ((key, "secrets/portal-client-key"), (certificate, "client.pem")):
        new = office.directory / f"{target}.new"
        new.write_bytes(source.read_bytes())
        new.replace(office.directory / target)


async def test_a_certificate_alone_speaks_for_the_box_and_its_faults_are_told(office: Office) -> None:
    """A box without a key is not believed, or nobody learns why its certificate is refused."""
    (office.directory / "secrets" / "portal-key").unlink()
    text = await asyncio.to_thread(office.config.read_text)
    text = text.replace("[upstream]\n", f'[upstream]\nclient_cert_file = "{office.directory}/client.pem"\n')
    await asyncio.to_thread(office.config.write_text, text)
    renew(office, VILLAGE, portal_tls.span(-1, since_days=-9))
    async with office.running():
        identifier = await filed(office)
        told = await until(lambda: detail(office, "upstream-unreachable"), within_s=PATIENT_S)
        assert told.startswith("the portal refuses the box's own certificate: it expired on "), told
        assert "put the renewed one at" in told
        assert await state(office, identifier) == "received"
        renew(office, "3510052002")
        await until(lambda: condition(office, "upstream-unauthorised"), within_s=PATIENT_S)
        assert await state(office, identifier) == "received"
        renew(office, VILLAGE)

        async def forwarded() -> bool:
            return await state(office, identifier) == "forwarded"

        await until(forwarded, within_s=PATIENT_S, what="the right certificate is used without a restart")
        for code in ("upstream-unauthorised", "upstream-unreachable"):

            async def over(code: str = code) -> bool:
                return await condition(office, code) is None

            await until(over, within_s=PATIENT_S, what=f"{code} is over")
    assert (await office.tell("portal", "effects"))["effects"] == {identifier: 1}


async def test_a_request_that_is_given_up_is_over_for_everybody(office: Office) -> None:
    """A villager waits for ever for a letter that nobody sends, and every page says that it is on its way."""
    async with office.running():
        await until(lambda: enrolled(office), within_s=PATIENT_S, what="the box is enrolled")
        await office.tell("portal", "mode", mode="422")
        identifier = await filed(office)
        await until(lambda: condition(office, "upstream-dead-letter"), within_s=PATIENT_S)
        assert await state(office, identifier) == "received"
        said = await command(office, "outbox", "discard", "1", "--yes", "--reason", "salah desa")
        assert "1: given up" in said
        assert await state(office, identifier) == "rejected"
        assert "rejected" in await listened(office)
        _, page = await office.ask("GET", "/")
        assert "Ditolak" in page
        texts = await until(lambda: office.sent(CITIZEN), within_s=PATIENT_S, what="the applicant is told")
        assert "belum dapat disetujui" in texts[-1]
        assert "salah desa" not in texts[-1], "what the office notes is not for the villager"


async def enrolled(office: Office) -> bool:
    """Whether the portal has heard of the box."""
    return bool((await office.tell("portal", "status"))["beats"])


async def listened(office: Office) -> str:
    """The events of the box so far."""
    headers = {"Authorization": f"Bearer {DESK_KEY}", "Last-Event-ID": "0"}
    url = f"http://127.0.0.1:{office.web}/v1/events"
    said = ""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as stream, asyncio.timeout(30):
        while '"to":"rejected"' not in said:
            said += (await stream.content.readany()).decode()
    return said
