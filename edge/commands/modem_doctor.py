"""`kampung-edge modem doctor`: what is wrong with the modem, step by step, and what would help."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, load, print_json, unanswered

if TYPE_CHECKING:
    from edge.config import Config, Modem
    from edge.modem.examine.findings import Finding

_KEYS = Path("/etc/kampung-edge/keys")
_MARKS = {True: ("ok", "green"), False: ("wrong", "red"), None: ("?", "yellow")}


@click.command("doctor", short_help="Examine the modem step by step and say what is wrong.")
@config_option
@json_option
def doctor(path: Path, as_json: bool) -> None:
    """Examine the modem step by step, from its plug to its credit, and say in one sentence what is wrong.

    A running daemon is asked what it knows; without one the modem itself is. No PIN is tried and nothing is sent.
    Exit code 0: nothing is wrong; 1: something is.

    \b
    Example: kampung-edge modem doctor
             kampung-edge modem doctor --json
    """
    config = load(path)
    if config.modem is None:
        end(f"{path} has no [modem], so there is none to examine; see docs/modem.md", exits.FAILED)
    from edge.modem.examine.findings import verdict

    rows = _daemon(config)
    by_daemon = rows is not None
    if rows is None:
        found = asyncio.run(_examined(config.modem, as_json=as_json))
    else:
        found = _of_daemon(config.modem, rows)
        if not as_json:
            _show(found)
    well = all(finding.ok is not False for finding in found)
    if as_json:
        source = "daemon" if by_daemon else "modem"
        steps = [asdict(finding) for finding in found]
        print_json({"ok": well, "verdict": verdict(found), "source": source, "findings": steps})
    else:
        click.echo(click.style(verdict(found), fg="green" if well else "red", bold=True))
    sys.exit(0 if well else exits.FAILED)


def _daemon(config: Config) -> list[dict[str, Any]] | None:
    """What the running daemon tells of its modems; None where none runs."""
    from edge.control import NotRunning, Refused, ask

    try:
        rows: list[dict[str, Any]] = ask(Path(config.run_dir), {"ask": "modem"})["modems"]
    except NotRunning:
        return None
    except Refused as error:
        unanswered(error, "the daemon runs and holds the modem, but does not tell of it: ")
    return rows


def _of_daemon(settings: Modem, rows: Iterable[dict[str, Any]]) -> list[Finding]:
    from edge.modem.device.usb import Places
    from edge.modem.examine.doctor import rivals
    from edge.modem.examine.findings import Finding, of_daemon

    found = [rivals(Places())]
    row = next((row for row in rows if row.get("name") == settings.name), None)
    if row is None:
        remedy = "restart the daemon: systemctl restart kampung-edge"
        return [*found, Finding("device", False, f"the daemon runs without the modem {settings.name}", remedy)]
    return [*found, *of_daemon(row, low_rp=settings.balance_low_rp)]


async def _examined(settings: Modem, *, as_json: bool) -> list[Finding]:
    from edge.modem.examine.doctor import examine

    found: list[Finding] = []
    steps: AsyncIterator[Finding] = examine(settings, pin_given=_pin_given())
    async for finding in steps:
        found.append(finding)
        if not as_json:
            _show([finding])
    return found


def _pin_given() -> bool:
    """Whether the credential sim-pin is there; what it says is not looked at further."""
    file = Path(os.environ.get("CREDENTIALS_DIRECTORY", _KEYS)) / "sim-pin"
    try:
        return bool(file.read_text().strip())
    except OSError:  # absent, or not for this user to read: then the daemon's own log tells
        return False


def _show(findings: Iterable[Finding]) -> None:
    for finding in findings:
        word, colour = _MARKS[finding.ok]
        click.echo(f"{click.style(f'{word:5}', fg=colour)} {finding.step:8} {finding.sentence}")
        if finding.remedy and finding.ok is not True:
            click.echo(f"{'':15}{finding.remedy}")
