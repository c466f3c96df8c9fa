"""The commands against a whole office: the real daemon with a modem, asked and told by the real command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.office import Office, until

NUMBER = "+6281234567001"


async def call(office: Office, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the real command says and how it ends."""
    command = [sys.executable, "-m", "edge", *arguments, "--config", str(office.config)]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)


async def told(office: Office, *arguments: str) -> Any:
    return json.loads((await call(office, *arguments, "--json")).stdout or "{}")


async def able(office: Office) -> bool:
    return bool((await told(office, "modem")).get("modems", [{}])[0].get("able"))


async def missing(office: Office) -> bool:
    return not await able(office)


async def scraped(office: Office) -> dict[str, float]:
    """The metrics of the modem."""
    _, text = await office.ask("GET", "/metrics")
    lines = [
        line.rpartition(" ")
        for line in text.splitlines()
        if line.startswith(("kampung_edge_modem", "kampung_edge_sms"))
    ]
    return {name.removeprefix("kampung_edge_"): float(value) for name, _, value in lines}


async def test_an_office_sends_by_hand_and_sees_its_modem(tmp_path: Path) -> None:
    """The parts would be well and the whole not: nobody could send, or look why nothing is sent."""
    async with Office(tmp_path) as office, office.running():
        await until(lambda: able(office), what="the modem is ready")
        shown = await call(office, "modem")
        assert shown.returncode == 0
        assert shown.stdout.splitlines()[-1].startswith("It sends and receives")

        text = "Yth. Ketua RT, rapat pukul 9 di balai desa. " * 8
        sent = await call(office, "sms", "send", NUMBER, text, "--wait")
        assert (sent.returncode, sent.stderr) == (0, "")
        assert sent.stdout == "1: queued for +62812••••001, 3 parts, gsm7\n1: sent\n"
        assert await office.sent(NUMBER) == [text]

        message = await told(office, "sms", "show", "1")
        assert (message["state"], message["code"], message["attempts"]) == ("sent", "MANUAL", 1)
        assert [(part["sequence"], part["state"]) for part in message["parts"]] == [
            (1, "taken"),
            (2, "taken"),
            (3, "taken"),
        ]

        metrics = await scraped(office)
        assert metrics['modem_ready{modem="modem"}'] == 1
        assert metrics['sms_sent_total{kind="reply",modem="modem",result="sent"}'] == 1
        assert metrics['sms_sent_age_seconds{modem="modem"}'] < 60

        await office.tell("gsm", "unplug")
        await until(lambda: missing(office), what="the modem is missed")
        assert (await told(office, "sms", "send", NUMBER, "besok"))["id"] == 2
        assert (await scraped(office))['sms_waiting{kind="reply",modem="modem"}'] == 1
        assert (await call(office, "sms", "discard", "2", "--yes")).returncode == 0
        (modem,) = (await told(office, "modem"))["modems"]
        assert (modem["queue"]["pending"], modem["budget"]["hour"]) == (0, 3)


async def test_a_dead_letter_is_sent_again(tmp_path: Path) -> None:
    """A dead letter that is sent again would lie there until the next SMS wakes the modem's part."""
    async with Office(tmp_path) as office, office.running():
        await until(lambda: able(office), what="the modem is ready")
        await office.tell("gsm", "fault", name="bad_numbers", value={NUMBER: 28})
        failed = await call(office, "sms", "send", NUMBER, "halo", "--wait")
        assert failed.returncode == 1
        assert "1: failed: +CMS ERROR 28" in failed.stdout
        assert (await told(office, "modem"))["modems"][0]["queue"]["failed"] == 1
        await office.tell("gsm", "fault", name="bad_numbers", value={})
        assert (await call(office, "sms", "resend", "1", "--yes")).stdout == "1: pending\n"
        await until(lambda: arrived(office, "halo"), what="it is sent again")
        assert await office.sent(NUMBER) == ["halo"]


async def arrived(office: Office, text: str) -> bool:
    return text in await office.sent(NUMBER)
