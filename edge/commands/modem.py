"""`kampung-edge modem`: how each modem is, what it may still send, and in one line whether SMS work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge import exits
from edge.commands.common import config_option, end, json_option, print_json, run_dir, unanswered
from edge.commands.durations import spoken
from edge.commands.modem_console import console, record
from edge.commands.modem_doctor import doctor

Said = dict[str, Any]

_SKEW_TOLD_S = 300.0


@click.group("modem", invoke_without_command=True, short_help="Show the SMS modem and whether SMS work.")
@config_option
@json_option
@click.pass_context
def modem(ctx: click.Context, path: Path, as_json: bool) -> None:
    """Show every modem: device, SIM, network, storage, recovery, money, budget, queue, and whether SMS work.

    Exit code 0: every modem can send and receive now; 1: one cannot, and the last line says why.

    \b
    Example: kampung-edge modem
             kampung-edge modem --json
    """
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(f"write the options behind {ctx.invoked_subcommand}")
        return
    from edge.control import NotRunning, Refused, ask

    try:
        said = ask(run_dir(path), {"ask": "modem"})
    except (NotRunning, Refused) as error:
        unanswered(error)
    if as_json:
        print_json(said)
    elif not said["modems"]:
        end("the daemon runs without a [modem], so no SMS come or go; see docs/modem.md", exits.FAILED)
    else:
        click.echo("\n\n".join("\n".join(lines(row)) for row in said["modems"]))
    sys.exit(0 if said["modems"] and all(row["able"] for row in said["modems"]) else exits.FAILED)


def lines(row: Said) -> list[str]:
    """A modem as an engineer reads it: a line a matter, then the conclusion; what is not known is not shown."""
    facts = (
        ("device", row["device"]),
        ("model", _listed(row["manufacturer"], row["model"], _named("firmware", row["firmware"]))),
        ("IMEI", row["imei"]),
        ("SIM", row["sim"]),
        ("network", _network(row)),
        ("SMSC", row["smsc"]),
        ("storage", _of(row["sim_used"], row["sim_capacity"], "messages on the SIM")),
        ("recovery", _recovery(row)),
        ("balance", _balance(row)),
        ("budget", _budget(row["budget"])),
        ("queue", _queue(row["queue"])),
        ("last", _listed(_ago("sent", row["last_sent_s"]), _ago("received", row["last_received_s"]))),
        ("paused", row["paused_s"] and f"notifications and digests, {spoken(row['paused_s'])} left"),
        ("calls", row["calls_rejected"] and f"{row['calls_rejected']} rejected"),
        ("clock", _skew(row["clock_skew_s"] or 0.0)),
    )
    colour = "green" if row["able"] else "red"
    head = f"{row['name']}: {click.style(row['state'], fg=colour, bold=True)}"
    shown = [f"  {label:9} {fact}" for label, fact in facts if fact]
    return [head, *shown, click.style(row["conclusion"], fg=colour)]


def _listed(*facts: str) -> str:
    return ", ".join(fact for fact in facts if fact)


def _named(label: str, value: str) -> str:
    return f"{label} {value}" if value else ""


def _network(row: Said) -> str:
    if row["state"] in ("missing", "silent", "starting", "sim"):
        return ""
    signal = "" if row["signal"] is None else f"signal {row['signal']}%"
    registered = "registered" if row["registered"] else "not registered"
    return _listed(row["operator"], row["technology"], registered, signal)


def _of(used: int | None, capacity: int | None, what: str) -> str:
    return "" if used is None or capacity is None else f"{used} of {capacity} {what}"


def _recovery(row: Said) -> str:
    if not row["rung"]:
        return ""
    since = "" if row["rung_s"] is None else f" for {spoken(row['rung_s'])}"
    return f"{row['rung']}{since}: {row['reason']}"


def _balance(row: Said) -> str:
    money = "" if row["balance_rp"] is None else f"Rp {row['balance_rp']:,}".replace(",", ".")
    until = f"valid until {row['expires']}" if row["expires"] else ""
    return _listed(money, until)


def _budget(budget: Said) -> str:
    hour = f"{budget['hour']} of {budget['hour_limit']} in the last hour"
    return f"{hour}, {budget['day']} of {budget['day_limit']} in the last day"


def _queue(queue: Said) -> str:
    kinds = ", ".join(f"{count} {kind}" for kind, count in queue["waiting"].items() if count)
    waiting = f"{queue['pending']} pending{f' ({kinds})' if kinds else ''}"
    return f"{waiting}, {queue['uncertain']} uncertain, {queue['failed']} failed"


def _ago(what: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{what} {spoken(seconds)} ago"


def _skew(seconds: float) -> str:
    """The network's time is a hint that may be forged: told only where it is far from ours."""
    if abs(seconds) < _SKEW_TOLD_S:
        return ""
    return f"the network's time is {spoken(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'} this machine's"


modem.add_command(doctor)
modem.add_command(console)
modem.add_command(record)
