"""kampung-edge monitor: what the monitor would have made of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import exits
from edge.commands.common import end, json_option, load, print_json, refusals

if TYPE_CHECKING:
    from edge.rehearsal.drive import Judged
    from edge.rehearsal.run import Moved

START = "2026-10-05T00:00+07:00"
TAIL_S = 3_600.0
DAY_S = 86_400.0
MOST_DAYS = 400.0
YEARS = (1970, 2999)


@click.group()
def monitor() -> None:
    """Try out how uplinks are judged.

    \b
    Example: kampung-edge monitor simulate --conditions bad-evening.csv --json
    """


@monitor.command(short_help="Rehearse described link conditions in virtual time.")
@click.option(
    "--conditions",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE.csv",
    help="What befalls the links; see below.",
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=True),
    metavar="FILE",
    help="Take uplinks, classes, thresholds and hours from this configuration.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Of every chance.")
@click.option("--days", type=float, metavar="D", help="Virtual days; default: until an hour after the last row.")
@click.option("--start", default=START, show_default=True, metavar="ISO", help="The moment of t = 0.")
@json_option
def simulate(
    conditions: Path, config_path: Path | None, seed: int, days: float | None, start: str, as_json: bool
) -> None:
    """Run the real judgement and policy in virtual time against the link conditions of a CSV file.

    Its header is start_s,uplink,target,loss,burst_s,rtt_ms,jitter_ms,rate_mbit,offered_mbit. Each row holds from
    start_s on, for probes of the uplink to the target: an address, gateway, dns, http, or * for all of them. The row
    that began last holds; of two that begin together, the one that names its target. Before its first row an uplink is
    healthy: 20 ms, jitter 2 ms, no loss. An empty field is that, too; an empty rate_mbit is the contract's.

    loss is a share. With burst_s 0 it strikes each probe alone; else it is the share of time in all-lost episodes of
    that mean length (each 0.6 to 1.4 times as long, the pauses between them likewise). A round trip takes
    rtt_ms + |N(0, jitter_ms)|. offered_mbit is the traffic that wants through rate_mbit (of * rows only): what exceeds
    it waits in the provider's buffer of 256 kB, then is lost; the gateway stands before that buffer.

    Without --config: uplinks pde (10 Mbit/s; targets 10.35.0.10, 10.35.1.10, 9.9.9.9, 149.112.112.112) and telkom (20
    Mbit/s; 203.0.113.10, 203.0.113.20, 1.1.1.1, 8.8.8.8), each with gateway, dns and http; classes service and control
    prefer pde, wifi has telkom only; default thresholds and hours, no holidays.

    With --json every change is one object a line: {"t": s, "event": "verdict", "uplink", "verdict", "cause"} or
    {"t": s, "event": "switch", "class", "from", "to", "because"}.

    \b
    Example: kampung-edge monitor simulate --conditions bad-evening.csv --days 2 --seed 7 --json
    """
    from datetime import datetime

    from edge.rehearsal import scene
    from edge.rehearsal.conditions import BadConditions
    from edge.rehearsal.conditions import load as read
    from edge.rehearsal.run import rehearse

    try:
        begins = datetime.fromisoformat(start)
    except ValueError:
        end(f"--start {start!r} is no moment; write for example {START}", exits.CONFIGURATION)
    if begins.tzinfo is None:
        end(f"--start {start!r} has no zone; write for example {START}", exits.CONFIGURATION)
    if not YEARS[0] <= begins.year <= YEARS[1]:
        end(f"--start {start!r} is not in the years {YEARS[0]} to {YEARS[1]}", exits.CONFIGURATION)
    if days is not None and not 0 < days <= MOST_DAYS:
        end(f"--days {days:g} is not above 0 and at most {MOST_DAYS:g}", exits.CONFIGURATION)
    setting = scene.default() if config_path is None else scene.of(load(config_path))
    try:
        with refusals():
            rows = read(conditions, setting.lines)
    except BadConditions as error:
        for mistake in error.mistakes:
            click.echo(f"error: {conditions}: {mistake}", err=True)
        sys.exit(exits.CONFIGURATION)
    until = days * DAY_S if days is not None else (rows[-1].start_s if rows else 0.0) + TAIL_S
    for change in rehearse(setting, rows, seed=seed, begins=begins.timestamp(), until=until):
        _print(change, as_json)


def _print(change: Judged | Moved, as_json: bool) -> None:
    from edge.rehearsal.run import Moved

    seconds = round(change.at, 3)
    if isinstance(change, Moved):
        told = {"class": change.traffic_class, "from": change.from_uplink, "to": change.to_uplink}
        if as_json:
            print_json({"t": seconds, "event": "switch", **told, "because": change.because})
        else:
            click.echo(
                f"{seconds:12.3f}  {change.traffic_class}: {change.from_uplink} -> {change.to_uplink}  {change.because}"
            )
        return
    verdict = change.verdict
    if as_json:
        about = {"uplink": verdict.uplink, "verdict": verdict.level, "cause": verdict.cause}
        print_json({"t": seconds, "event": "verdict", **about})
    else:
        facts = f"  {'; '.join(verdict.evidence)}" if verdict.evidence else ""
        click.echo(f"{seconds:12.3f}  {verdict.uplink} is {verdict.level} {verdict.cause}{facts}")
