"""The simulated modem's ways beyond sending and receiving: models, restarts, calls, USSD, time, reports, the SIM."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.simulator.gsm_models import MODELS
from edge.simulator.gsm_ussd import pack, unpack
from tests.unit.simulator.test_gsm import Terminal, plugged, present

A_WITH_REPORT = (b"AT+CMGS=12\r", b"00310004812143" + b"0008A9020041\x1a")


async def asked(terminal: Terminal, line: bytes) -> str:
    """The answer to one command, with its final result code."""
    terminal.type(line + b"\r")
    heard = (await terminal.hear(b"\r\n")).decode()
    while not re.search(r"(OK|ERROR[^\r\n]*)\r\n$", heard):
        heard += (await terminal.hear(b"\r\n")).decode()
    return " ".join(heard.split())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if holds():
                return
            await asyncio.sleep(0.001)


async def send(terminal: Terminal) -> str:
    command, payload = A_WITH_REPORT
    terminal.type(command)
    await terminal.hear(b"> ")
    terminal.type(payload)
    return " ".join((await terminal.hear(b"OK\r\n")).decode().split())


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "modem"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b"AT+CGMI;+CGSN", "kampung 861234567890123 OK"),
        (b'AT+CPMS="ME","SM"', "+CPMS: 0,20,0,20,0,20 OK"),
        (b'AT+CPMS="XX"', "+CMS ERROR: 302"),
        (b"AT+CPMS?", '+CPMS: "SM",0,20,"SM",0,20,"SM",0,20 OK'),
        (b"AT+CREG=2;+CREG?", '+CREG: 2,1,"1A2B","01C3D4E5",7 OK'),
        (b"AT+COPS=3,2;+COPS?", '+COPS: 0,2,"51010",7 OK'),
        (b"AT+CSCA?", '+CSCA: "+6281100000",145 OK'),
        (b'AT+CSCA="+62811",145;+CSCA?', '+CSCA: "+62811",145 OK'),
        (b'AT+CSCS="UCS2";+COPS?', '+COPS: 0,0,"00540065006C006B006F006D00730065006C",7 OK'),
        (b"AT+CFUN=0;+CREG?", "+CREG: 0,0 OK"),
        (b"AT+NONSENSE", "ERROR"),
        (b"AT+CMEE=2;+CMMS=9", "+CMS ERROR: operation not allowed"),
        (b"AT+CMEE=1;+CSCS=9", "+CME ERROR: 50"),
        (b"AT&FE0V1", "OK"),
        (b"AT+CNMA", "+CMS ERROR: 340"),
        (b"AT#", "ERROR"),
    ],
)
async def test_commands(link: Path, line: bytes, wanted: str) -> None:
    """A daemon, or a peer beside it, would meet a modem that answers otherwise than real ones."""
    async with plugged(link) as (_, terminal):
        await asked(terminal, b"ATE0")
        assert await asked(terminal, line) == wanted


async def test_packets_alone_are_registration_enough(link: Path) -> None:
    """A modem that is on LTE alone could not be played."""
    async with plugged(link) as (modem, terminal):
        modem.faults.packet_only = True
        await asked(terminal, b"ATE0;+CMGF=0")
        assert await asked(terminal, b"AT+CREG?;+CEREG?") == "+CREG: 0,0 +CEREG: 0,1 OK"
        assert "+CMGS: 1" in await send(terminal)


async def test_a_restart_says_what_the_model_says(link: Path) -> None:
    """A modem that resets itself would do so in silence, and keep its settings."""
    async with plugged(link, model="sim800") as (_, terminal):
        await terminal.hear(b"SMS Ready\r\n")
        await asked(terminal, b"ATE0")
        assert await asked(terminal, b"AT+CFUN=1,1") == "OK"
        assert await terminal.hear(b"Call Ready\r\n") == (
            b"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n\r\nCall Ready\r\n"
        )
        await terminal.hear(b"SMS Ready\r\n")
        assert await asked(terminal, b"AT") == "AT OK"


async def test_a_huawei_becomes_a_disk(link: Path) -> None:
    """The reset that must never be the first rung would be harmless here."""
    async with plugged(link, model="huawei") as (_, terminal):
        terminal.type(b"AT+CFUN=1,1\r")
        await until(lambda: not present(link))


async def test_a_huawei_chats_until_it_is_muted(link: Path) -> None:
    """The chatter between answers could not be played."""
    async with plugged(link, model="huawei") as (modem, terminal):
        await terminal.hear(b"^RSSI:18\r\n")
        await asked(terminal, b"ATE0")
        assert await asked(terminal, b"AT^CURC=0") == "OK"
        modem.restart()
        await terminal.hear(b"^RSSI:18\r\n")


async def test_a_huawei_freezes_at_a_listing(link: Path) -> None:
    """The hang after twenty minutes that users of these sticks know could not be played."""
    old = dataclasses.replace(MODELS["huawei"], freezes_after_s=0.001)
    async with plugged(link, model=old) as (_, terminal):
        await asked(terminal, b"ATE0;+CMGF=0")
        terminal.type(b"AT+CMGL=4\rAT\r")
        with pytest.raises(TimeoutError):
            await terminal.hear(b"OK", 0.2)


@pytest.mark.parametrize("text", ["*888#", "*123#", "1234567", "12345678"])
def test_packed_septets(text: str) -> None:
    """A Huawei's USSD would be another text."""
    assert unpack(pack(text)) == text
    assert pack("*888#") == "2A1C0E3702"


async def test_ussd_in_plain_and_an_open_menu(link: Path) -> None:
    """A daemon that answers the operator's menu, and buys something, would pass."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0")
        assert await asked(terminal, b'AT+CUSD=1,"*888#",15') == "OK"
        assert b'+CUSD: 1,"Pulsa Rp.25.500' in await terminal.hear(b'",15\r\n')
        assert modem.ussd.open
        await asked(terminal, b"AT+CUSD=2")
        assert not modem.ussd.open
        await asked(terminal, b'AT+CUSD=1,"*888#",15')
        await terminal.hear(b'",15\r\n')
        await asked(terminal, b'AT+CUSD=1,"1",15')
        await terminal.hear(b'+CUSD: 0,"Terima kasih",15\r\n')
        assert (modem.ussd.asked, modem.ussd.answered) == (["*888#", "*888#"], ["1"])


async def test_ussd_packed(link: Path) -> None:
    """A daemon that asks a Huawei in plain text would be answered."""
    async with plugged(link, model="huawei") as (modem, terminal):
        await asked(terminal, f'AT+CUSD=1,"{pack("*123#")}",15'.encode())
        heard = await terminal.hear(b'",15\r\n')
        assert unpack(heard.split(b'"')[1].decode()).startswith("Sisa pulsa Anda Rp 12.350")
        await asked(terminal, b'AT+CUSD=1,"*123#",15')
        await terminal.hear(b"+CUSD: 4\r\n")
        assert modem.ussd.asked == ["*123#"]


async def test_a_call_rings_until_it_is_rejected(link: Path) -> None:
    """A call that blocks the modem could not be played."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CLIP=1")
        call = asyncio.create_task(modem.ring("+628123"))
        await terminal.hear(b'RING\r\n\r\n+CLIP: "+628123",145')
        await asked(terminal, b"AT+CHUP")
        assert await asyncio.wait_for(call, 60) is True
        assert await modem.ring("+628123", 0) is False
        await terminal.hear(b"NO CARRIER\r\n")


@pytest.mark.parametrize(
    ("level", "wanted"), [(b"1", rb"\+CTZV: \+28"), (b"2", rb'\+CTZE: "\+28",0,"20\d\d/\d\d/\d\d,\d\d:\d\d:\d\d"')]
)
async def test_the_network_s_time(link: Path, level: bytes, wanted: bytes) -> None:
    """A time that the network forges could not be played."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CTZR=" + level)
        modem.tell_time(86_400.0)
        assert re.search(wanted, await terminal.hear(b"28") + await terminal.hear(b"\r\n"))
        assert re.fullmatch(r'\+CCLK: "\d\d/\d\d/\d\d,\d\d:\d\d:\d\d\+28" OK', await asked(terminal, b"AT+CCLK?"))


async def test_the_sim_can_be_taken_out(link: Path) -> None:
    """A SIM that loses contact could not be played."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CMEE=1;+CMGF=0")
        modem.remove_sim()
        await terminal.hear(b"+CPIN: NOT INSERTED\r\n")
        assert await asked(terminal, b"AT+CPIN?") == "+CME ERROR: 10"
        assert await asked(terminal, b"AT+CMGL=4") == "+CMS ERROR: 310"
        modem.deliver("+628123", "INFO")
        assert (modem.stored, modem.waiting) == (0, 1)
        modem.insert_sim()
        await terminal.hear(b"+CPIN: READY\r\n")
        assert (modem.stored, modem.waiting) == (1, 0)


async def test_reports_may_lie_on_the_sim(link: Path) -> None:
    """A modem that only announces reports could not be played."""
    async with plugged(link) as (_, terminal):
        await asked(terminal, b"ATE0;+CMGF=0;+CNMI=2,1,0,2,0")
        await send(terminal)
        await terminal.hear(b'+CDSI: "SR",0\r\n')
        assert re.fullmatch(r"\+CPMS: 1,20,.*OK", await asked(terminal, b'AT+CPMS="SR"'))
        assert re.fullmatch(r"\+CMGR: 0,,\d+ 0[0-9A-F]+ OK", await asked(terminal, b"AT+CMGR=0"))


async def test_what_is_brought_at_once_must_be_acknowledged(link: Path) -> None:
    """A daemon that forgets +CNMA would still get all its reports."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CMGF=0;+CSMS=1;+CNMI=2,2,0,1,0")
        for text in ("first", "second"):
            modem.deliver("+628123", text)
        await terminal.hear(b"+CMT: ")
        for _ in range(2):
            await terminal.hear(b"\r\n")
        assert modem.waiting == 2
        assert await asked(terminal, b"AT+CNMA") == "OK"
        await terminal.hear(b"+CMT: ")
        assert modem.waiting == 1


async def test_a_message_cut_off_may_have_been_taken(link: Path) -> None:
    """The uncertain end that matters, the message being out, could not be played."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CMGF=0")
        modem.faults.sends_cut_off = True
        terminal.type(A_WITH_REPORT[0])
        await terminal.hear(b"> ")
        terminal.type(A_WITH_REPORT[1])
        await until(lambda: modem.sending)
        await modem.unplug()
        assert [sms.text for sms in modem.sent] == ["A"]


async def test_deleting_by_flag(link: Path) -> None:
    """A peer that empties the SIM in one command could not be measured."""
    async with plugged(link) as (modem, terminal):
        await asked(terminal, b"ATE0;+CMGF=0")
        for text in ("one", "two"):
            modem.deliver("+628123", text)
        await asked(terminal, b"AT+CMGR=0")
        assert await asked(terminal, b"AT+CMGD=0,1") == "OK"
        assert modem.stored == 1
        modem.deliver_mms("+628123")
        assert await asked(terminal, b"AT+CMGD=0,4") == "OK"
        assert (modem.stored, len(modem.deleted)) == (0, 3)
