"""Examines a modem step by step while no daemon has it: from the socket it is plugged into to the credit of its SIM.

No setting that lasts is changed, no PIN tried and nothing sent; only the balance is asked, where that is configured.
"""

from __future__ import annotations

import asyncio
import grp
import pwd
import stat
from collections.abc import AsyncIterator
from pathlib import Path

from edge.config import Modem
from edge.modem.conversation import models, ussd
from edge.modem.device import lock
from edge.modem.device.find import Absent, Finder, Found
from edge.modem.device.talk import Talk
from edge.modem.device.usb import Places
from edge.modem.examine import findings
from edge.modem.examine.findings import Finding
from edge.modem.port import PortUnavailable

USER, UNIT_GROUPS = "kampung-edge", ("dialout",)
RULES = "60-kampung-edge-modem.rules"
_USSD_S = 20.0
_RULE_FOLDERS = (Path("/etc/udev/rules.d"), Path("/run/udev/rules.d"), Path("/usr/lib/udev/rules.d"))


async def examine(
    settings: Modem,
    *,
    pin_given: bool,
    places: Places | None = None,
    rule_folders: tuple[Path, ...] = _RULE_FOLDERS,
) -> AsyncIterator[Finding]:
    """Each finding as soon as it is known; after one that bars the way to the rest, nothing more."""
    places = places or Places()
    yield await asyncio.to_thread(rivals, places, rule_folders)
    try:
        found = await Finder(settings, places).find()
        yield Finding("device", True, _named(found))
        yield await asyncio.to_thread(_access, found.device)
        async with Talk.opened(found.device, settings.baud, places) as talk:
            yield await asyncio.to_thread(_sharing, found.device, places)
            async for finding in _ask(talk, settings, found, pin_given=pin_given):
                yield finding
    except Absent as absent:
        yield Finding("device", False, str(absent))
    except PortUnavailable as unavailable:
        yield Finding("access", False, str(unavailable))


def rivals(places: Places, rule_folders: tuple[Path, ...] = _RULE_FOLDERS) -> Finding:
    """Whether a program that grabs serial lines runs, and whether udev keeps it off; blocks shortly."""
    seen = lock.running(("ModemManager", "brltty"), places)
    if not seen:
        return Finding("rivals", True, "no program that grabs modems runs")
    names = ", ".join(map(str, seen))
    if any((folder / RULES).exists() for folder in rule_folders):
        return Finding("rivals", True, f"{names} runs, but udev keeps it off the modem")
    remedy = f"install {RULES} (script/install does) and plug the modem in again, or remove the program"
    return Finding("rivals", False, f"{names} runs and may grab the modem", remedy)


def _named(found: Found) -> str:
    if found.tty is None:
        return f"the device is {found.device}"
    return f"the device is {found.device}, interface {found.tty.interface} of the stick {found.tty.usb.id}"


def _access(device: str) -> Finding:
    """Whether the service's user may open it, whoever asks now."""
    try:
        status = Path(device).stat()
        user = pwd.getpwnam(USER)
    except (OSError, KeyError):
        return Finding("access", None, f"there is no user {USER} here, so its rights cannot be told")
    group = _group(status.st_gid)
    member = status.st_gid == user.pw_gid or group in UNIT_GROUPS or USER in _members(status.st_gid)
    both = stat.S_IRGRP | stat.S_IWGRP
    may = status.st_uid == user.pw_uid or (member and status.st_mode & both == both)
    may = may or status.st_mode & (stat.S_IROTH | stat.S_IWOTH) == stat.S_IROTH | stat.S_IWOTH
    if may:
        return Finding("access", True, f"the user {USER} may open it")
    remedy = f"put {USER} into the group {group}: usermod -aG {group} {USER}" if group != "root" else f"install {RULES}"
    return Finding("access", False, f"the user {USER} may not open {device}", remedy)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _members(number: int) -> list[str]:
    try:
        return grp.getgrgid(number).gr_mem
    except KeyError:
        return []


def _sharing(device: str, places: Places) -> Finding:
    others = lock.holders(device, places)
    if not others:
        return Finding("alone", True, "no other program has it open")
    names = ", ".join(map(str, others))
    return Finding("alone", False, f"{names} has the modem open as well and takes half of its answers", "stop it")


async def _ask(talk: Talk, settings: Modem, found: Found, *, pin_given: bool) -> AsyncIterator[Finding]:
    if not await talk.greet():
        yield _mute(found, settings)
        return
    await talk.ask("ATE0")
    await talk.ask("AT+CMEE=1")
    maker, model = [await _line(talk, command) for command in ("AT+CGMI", "AT+CGMM")]
    yield Finding("modem", True, f"the modem answers ({f'{maker} {model}'.strip() or 'it does not say what it is'})")
    state = await talk.ask("AT+CPIN?", prefix="+CPIN:")
    sim = findings.sim(state, await talk.ask('AT+CPINR="SIM PIN"', prefix="+CPINR:"), pin_given=pin_given)
    yield sim
    strength = await talk.ask("AT+CSQ", prefix="+CSQ:")
    if not sim.ok:
        yield findings.signal(strength)
        return
    registrations = [await talk.ask(f"AT{name}?", prefix=f"{name}:") for name in ("+CREG", "+CGREG", "+CEREG")]
    network = findings.network(registrations, await talk.ask("AT+COPS?", prefix="+COPS:"))
    yield findings.signal(strength, registered=bool(network.ok))
    yield network
    yield findings.centre(await talk.ask("AT+CSCA?", prefix="+CSCA:"), settings.smsc)
    yield findings.storage(await talk.ask("AT+CPMS?", prefix="+CPMS:"))
    if settings.balance_ussd and network.ok:
        yield await _credit(talk, settings, packed=models.find(maker, model).ussd_packed)


def _mute(found: Found, settings: Modem) -> Finding:
    tty = found.tty
    if tty is not None and len(tty.usb.ttys) > 1 and not settings.device.startswith(("usb:", "imei:")):
        remedy = f'write device = "usb:{tty.usb.id}", which finds the line that speaks AT'
        return Finding("modem", False, f"nothing answers AT on {found.device}, one of the stick's lines", remedy)
    remedy = "plug it in again; if it stays silent, try its power, another cable, or another modem"
    return Finding("modem", False, f"nothing answers AT on {found.device}", remedy)


async def _line(talk: Talk, command: str) -> str:
    answer = await talk.ask(command)
    return answer.lines[0].partition(": ")[2] or answer.lines[0] if answer.lines else ""


async def _credit(talk: Talk, settings: Modem, *, packed: bool) -> Finding:
    """The balance by USSD (3GPP TS 27.007, clause 7.15); a menu that waits for a choice is ended, never answered."""
    asked = await talk.ask(ussd.request(settings.balance_ussd, packed=packed), _USSD_S)
    if not asked.ok:
        sentence = f"the balance cannot be asked ({asked.final[:40]})"
        return Finding("credit", None, sentence, "look whether modem.balance_ussd is this operator's code")
    line = await talk.unasked("+CUSD:", _USSD_S)
    answer = ussd.read_answer(line, packed=packed) if line else None
    if answer is None:
        return Finding("credit", None, f"the operator did not answer {settings.balance_ussd}")
    if answer.open:
        await talk.ask("AT+CUSD=2")
    balance = ussd.read_balance(answer.text)
    return findings.credit(balance.rp, balance.expires, settings.balance_low_rp)
