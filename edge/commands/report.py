"""`kampung-edge report`: a month of the uplinks, for the provider or a program."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import exits
from edge.commands.common import config_option, end, load, refusals

if TYPE_CHECKING:
    from edge.config import Config
    from edge.report.figures import Month, Report


@click.command(short_help="Report a month of the uplinks.")
@config_option
@click.option("--month", "text", metavar="YYYY-MM", help="The month, such as 2026-10; else the last whole one.")
@click.option("--uplink", "name", metavar="NAME", help="Only this uplink; else a page for each.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "csv", "json"]),
    default="html",
    show_default=True,
    help="A page to print, a table of days, or everything.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write there, not to the terminal.",
)
def report(path: Path, text: str | None, name: str | None, form: str, output: Path | None) -> None:
    """Report a month of the uplinks: availability, outages, loss, latency and rate, with charts.

    Reads the store only; the daemon may run meanwhile.

    \b
    Example: kampung-edge report --month 2026-10 --uplink telkom --output telkom-2026-10.html
             kampung-edge report --format csv > days.csv
    """
    config = load(path)
    now = time.time()
    with refusals():
        content = _render(form, _gather(config, _month(config, text, now), name, now))
        if output is None:
            click.echo(content, nl=False)
            return
        output.write_bytes(content.encode())


def _month(config: Config, text: str | None, now: float) -> Month:
    from zoneinfo import ZoneInfo

    from edge.report.figures import Month

    if text is None:
        return Month.of(now, ZoneInfo(config.village.timezone)).plus(-1)
    try:
        return Month.parse(text)
    except ValueError as error:
        end(f"--month: {error}", exits.CONFIGURATION)


def _gather(config: Config, month: Month, name: str | None, now: float) -> Report:
    from dataclasses import replace

    from edge.report.figures import NothingMeasured, gather
    from edge.report.source import opened

    try:
        with opened(Path(config.state_dir) / config.store.path) as conn:
            found = gather(conn, config, month, now=now)
    except NothingMeasured as error:
        end(str(error), exits.FAILED)
    if name is None:
        return found
    lines = tuple(line for line in found.lines if line.name == name)
    if not lines:
        known = ", ".join(line.name for line in found.lines)
        end(f"--uplink: nothing was measured of {name!r} in {month}; there is {known}", exits.CONFIGURATION)
    return replace(found, lines=lines)


def _render(form: str, found: Report) -> str:
    if form == "html":
        from edge.report.page import as_html

        return as_html(found)
    from edge.report import record

    return record.as_csv(found) if form == "csv" else record.as_json(found)
