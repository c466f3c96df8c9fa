"""`kampung-edge uplink`: how the uplinks are, why traffic went where it is, and a choice by hand."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge.commands.common import config_option, json_option, print_json, run_dir, unanswered
from edge.commands.durations import Duration, spoken

_REFRESH_S = 1.0
_HEADINGS = ("uplink", "verdict", "cause", "loss", "rtt", "jitter", "since", "used by")
_COLOURS = {"up": "green", "degraded": "yellow", "down": "red"}
_CLASS = click.Choice(["service", "wifi", "control"])
Said = dict[str, Any]


@click.group("uplink", invoke_without_command=True, short_help="Show the uplinks; ask why; choose one by hand.")
@config_option
@json_option
@click.option("--watch", is_flag=True, help="Show them anew every second, until Ctrl-C.")
@click.pass_context
def uplink(ctx: click.Context, path: Path, as_json: bool, watch: bool) -> None:
    """Show every uplink: verdict, cause, loss, round trip, jitter, since when, which classes use it, whom it asks.

    \b
    Example: kampung-edge uplink --watch
             kampung-edge uplink why --last 5
             kampung-edge uplink prefer telkom --for 2h
    """
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(f"write the options behind {ctx.invoked_subcommand}")
        return
    here = run_dir(path)
    with contextlib.suppress(KeyboardInterrupt):
        _show(_ask(here, watch, ask="uplink"), as_json=as_json, watch=watch)
        while watch:
            time.sleep(_REFRESH_S)
            _show(_ask(here, watch, ask="uplink"), as_json=as_json, watch=watch)


@uplink.command(short_help="Show the last decisions and what each rested on.")
@config_option
@json_option
@click.option("--last", type=click.IntRange(1, 200), default=20, show_default=True, help="How many decisions.")
def why(path: Path, as_json: bool, last: int) -> None:
    """Show the last decisions, newest last: when, what changed, because of what, and the measured facts behind it.

    \b
    Example: kampung-edge uplink why --last 5
    """
    said = _ask(run_dir(path), ask="why", last=last)
    if as_json:
        print_json(said)
        return
    for decision in said["decisions"]:
        when = datetime.fromtimestamp(decision["at"]).astimezone()
        click.echo(f"{when:%Y-%m-%d %H:%M:%S}  {_decision(decision)}")
        for fact in decision.get("evidence", ()):
            click.echo(f"{'':21}- {fact}")
    if not said["decisions"]:
        click.echo("nothing was decided yet")
    if not said["clock_trusted"]:
        click.echo("the times are not to be trusted: the clock is not synchronised", err=True)


@uplink.command(short_help="Choose an uplink by hand for a while.")
@click.argument("name", metavar="[UPLINK]", required=False)
@config_option
@json_option
@click.option("--for", "seconds", type=Duration(1, 7 * 86_400), default="1h", show_default=True, help="How long.")
@click.option("--class", "traffic_class", type=_CLASS, help="For this class only, not for all that may use it.")
@click.option("--clear", is_flag=True, help="Take choices by hand back at once.")
def prefer(name: str | None, path: Path, as_json: bool, seconds: float, traffic_class: str | None, clear: bool) -> None:
    """Send traffic by UPLINK for a while, as long as it is not down; then everything is as before by itself.

    It outlives a restart and a reboot.

    \b
    Example: kampung-edge uplink prefer telkom --for 2h
             kampung-edge uplink prefer telkom --for 30m --class service
             kampung-edge uplink prefer --clear
    """
    if name is None and not clear:
        raise click.UsageError("name an uplink, or write --clear to take the choice back")
    if name is not None and clear:
        raise click.UsageError("--clear takes no uplink; with --class it takes back what is chosen for that class")
    wish: Said = {"clear": True} if clear else {"uplink": name, "for_s": seconds}
    wish["by"] = _account()
    said = _ask(run_dir(path), ask="prefer", **wish, **({"class": traffic_class} if traffic_class else {}))
    if as_json:
        print_json(said)
        return
    classes = ", ".join(said["classes"])
    click.echo(f"{classes}: by the rules again" if clear else f"{classes}: by {name} for {spoken(seconds)}")
    for warning in said["warnings"]:
        click.echo(f"warning: {warning}", err=True)


def _account() -> str:
    """The account of whoever sits there: the one behind sudo(8), where that is how root came to be."""
    behind = os.environ.get("SUDO_USER", "") if os.getuid() == 0 else ""
    try:
        return behind or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _ask(here: Path, again: bool = False, /, **question: Any) -> Said:
    """The daemon's answer; without one the command ends with a sentence, or with `again` says it and comes back."""
    from edge.control import NotRunning, Refused, ask

    try:
        return ask(here, question)
    except (NotRunning, Refused) as error:
        if not again:
            unanswered(error)
        return {"error": str(error)}


def _show(said: Said, *, as_json: bool, watch: bool) -> None:
    if as_json:
        print_json(said)
        return
    text = f"error: {said['error']}" if "error" in said else _table(said)
    if watch and sys.stdout.isatty():
        text = f"\x1b[H\x1b[2J{text}"
    click.echo(text)


def _table(said: Said) -> str:
    rows = [_HEADINGS, *(_row(uplink) for uplink in said["uplinks"])]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for place, uplink in enumerate(said["uplinks"], 1):
        verdict = uplink["verdict"]
        lines[place] = lines[place].replace(verdict, click.style(verdict, fg=_COLOURS[verdict]), 1)
    return "\n".join([*lines, "", *map(_sources, said["uplinks"]), "", *map(_class, said["classes"])])


def _row(uplink: Said) -> tuple[str, ...]:
    return (
        uplink["uplink"],
        uplink["verdict"],
        uplink["cause"] or "-",
        f"{uplink['loss']:.1%}",
        _ms(uplink["rtt_ms"]),
        _ms(uplink["jitter_ms"]),
        spoken(uplink["since_s"]),
        ", ".join(uplink["classes"]) or "-",
    )


def _sources(uplink: Said) -> str:
    return f"{uplink['uplink']}: " + ("; ".join(map(_source, uplink["sources"])) or "asks nobody")


def _source(row: Said) -> str:
    if row["loss"] is None:
        return f"{row['name']} not asked yet"
    trip = "silent" if row["rtt_ms"] is None else _ms(row["rtt_ms"])
    lost = f", {row['loss']:.0%} lost" if 0 < row["loss"] < 1 else ""
    return f"{row['name']} {trip}{lost}" + (" (set aside)" if row["set_aside"] else "")


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _class(said: Said) -> str:
    left = "" if said["chosen"] is None else f" [{said['chosen']} by hand, {spoken(said['chosen_for_s'])} left]"
    return f"{said['class']}: {said['uplink'] or 'no uplink'}: {said['because']}{left}"


def _decision(said: Said) -> str:
    match said["event"]:
        case "switch":
            before, after = said["from"] or "no uplink", said["to"] or "no uplink"
            return f"{said['class']}: {before} -> {after}: {said['because']}"
        case "choice":
            classes, by = ", ".join(said["classes"]), f" by {said['by']}" if said["by"] else ""
            if said["uplink"] is None:
                return f"{classes}: choice by hand taken back{by}"
            until = datetime.fromtimestamp(said["at"] + said["for_s"]).astimezone()
            span = f"for {spoken(said['for_s'])}, until {until:%Y-%m-%d %H:%M:%S}"
            return f"{classes}: {said['uplink']} chosen by hand{by} {span}"
    return f"{said['uplink']} is {said['verdict']}" + (f" ({said['cause']})" if said["cause"] else "")
