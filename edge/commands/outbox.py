"""`kampung-edge outbox`: what waits for the portal, and what it refused, for the person who must decide."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, print_json, refusals, run_dir, unanswered
from edge.commands.durations import spoken

Said = dict[str, Any]

_LANES = ("request", "event", "sms", "digest", "attachment")
_COLOURS = {"delivered": "green", "dead": "red", "expired": "red", "confirming": "yellow", "waiting": "yellow"}
_lane = click.option("--lane", type=click.Choice(_LANES), help="Only rows of this lane.")
_seqs = click.argument("seqs", metavar="SEQ", type=click.IntRange(1, 1 << 62), nargs=-1)
_reveal = click.option("--reveal", is_flag=True, help="Show personal data; it is written down that this was done.")
_yes = click.option("--yes", is_flag=True, help="Do not ask for the confirmation.")


@click.group(short_help="What waits for the portal, and what it refused.")
def outbox() -> None:
    """Look at what waits for the portal, and decide about dead rows: those that it refused for good.

    \b
    Example: kampung-edge outbox list --dead
    """


@outbox.command(short_help="How much waits, and why.")
@config_option
@json_option
def status(path: Path, as_json: bool) -> None:
    """Show how much waits in each lane and state, since when, and how the portal is reached.

    \b
    Example: kampung-edge outbox status
    """
    said = _ask(run_dir(path), ask="outbox-status")
    if as_json:
        print_json(said)
        return
    for line in _standing(said):
        click.echo(line)


@outbox.command("list", short_help="List rows that wait or are dead.")
@config_option
@json_option
@click.option("--dead", "which", flag_value="dead", help="Only dead rows.")
@click.option("--all", "which", flag_value="all", help="The last rows, those that are over too.")
@_lane
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="How many.")
def list_(path: Path, as_json: bool, which: str | None, lane: str | None, limit: int) -> None:
    """List rows that wait or are dead, the oldest first. Their contents are not shown.

    \b
    Example: kampung-edge outbox list --dead
             kampung-edge outbox list --all --lane request --limit 10
    """
    question: Said = {"limit": limit, "which": which or "unsettled"} | ({"lane": lane} if lane else {})
    said = _ask(run_dir(path), ask="outbox-list", **question)
    if as_json:
        print_json(said)
        return
    for row in said["rows"]:
        click.echo(_line(row))
    if not said["rows"]:
        click.echo("there is none", err=True)


@outbox.command(short_help="Show a row.")
@click.argument("seq", metavar="SEQ", type=click.IntRange(1, 1 << 62))
@config_option
@json_option
@_reveal
def show(seq: int, path: Path, as_json: bool, reveal: bool) -> None:
    """Show the row SEQ: its state, tries, errors, what it holds back, and its content with personal data masked.

    \b
    Example: kampung-edge outbox show 17
    """
    said = _ask(run_dir(path), ask="outbox-show", seq=seq, reveal=reveal)
    if as_json:
        print_json(said)
        return
    for line in _shown(said):
        click.echo(line)


@outbox.command(short_help="Try dead rows again.")
@_seqs
@config_option
@json_option
@click.option("--all", "every", is_flag=True, help="Every dead row.")
def retry(seqs: tuple[int, ...], path: Path, as_json: bool, every: bool) -> None:
    """Try the dead rows SEQ... again, in their places; what they held back follows them. Exit 1 when one is not dead.

    \b
    Example: kampung-edge outbox retry 17 18
             kampung-edge outbox retry --all
    """
    _decide(path, "outbox-retry", "tried again", as_json=as_json, **_chosen(seqs, every))


@outbox.command(short_help="Give dead rows up.")
@_seqs
@config_option
@json_option
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the row. No personal data.")
@_yes
def discard(seqs: tuple[int, ...], path: Path, as_json: bool, reason: str, yes: bool) -> None:
    """Give the dead rows SEQ... up: they are never sent, their contents are erased, what they held back goes on.

    A request whose own row is given up is rejected, and its applicant told. Exit 1 when one is not dead.

    \b
    Example: kampung-edge outbox discard 17 --reason "test data"
    """
    question = _chosen(seqs, False)
    if not yes:
        rows = _counted(len(seqs), "row")
        click.confirm(
            f"Give {rows} up for good? A request among them is rejected, and its applicant told.", abort=True, err=True
        )
    _decide(path, "outbox-discard", "given up", as_json=as_json, reason=reason, **question)


@outbox.command(short_help="Write dead rows to a file.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@config_option
@_reveal
def export(file: Path, path: Path, reveal: bool) -> None:
    """Write every dead row as a line of JSON to FILE (- is standard output), personal data masked. FILE must be new.

    \b
    Example: kampung-edge outbox export /root/dead.jsonl --reveal
    """
    here, count = run_dir(path), 0
    with refusals():
        target = nullcontext(sys.stdout) if str(file) == "-" else _new(file)
        with target as out:
            for row in _pages(here, reveal):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    click.echo(f"{_counted(count, 'dead row')} exported", err=True)


def _new(file: Path) -> Any:
    try:
        return open(file, "x", encoding="utf-8", opener=_private)
    except FileExistsError:
        end(f"{file} is there already; name another file", exits.FAILED)


def _private(name: str, flags: int) -> int:
    import os

    return os.open(name, flags, 0o600)


def _pages(here: Path, reveal: bool) -> Iterator[Said]:
    after, more = 0, True
    while more:
        said = _ask(here, ask="outbox-export", after=after, reveal=reveal)
        yield from said["rows"]
        more = said["more"]
        after = said["rows"][-1]["seq"] if said["rows"] else after


def _chosen(seqs: tuple[int, ...], every: bool) -> Said:
    if every == bool(seqs):
        raise click.UsageError("name rows by their numbers, or say --all" if not seqs else "--all names every row")
    return {"all": True} if every else {"seqs": list(seqs)}


def _decide(path: Path, name: str, became: str, *, as_json: bool, **question: Any) -> None:
    said = _ask(run_dir(path), ask=name, **question)
    if as_json:
        print_json(said)
    else:
        for seq in said["done"]:
            click.echo(f"{seq}: {became}")
        for seq in said["not_dead"]:
            click.echo(f"{seq}: not dead, so nothing was done", err=True)
    sys.exit(exits.FAILED if said["not_dead"] else 0)


def _ask(here: Path, /, **question: Any) -> Said:
    """The daemon's answer; without one the command ends with a sentence."""
    from edge.control import NotRunning, Refused, ask

    try:
        return ask(here, question)
    except (NotRunning, Refused) as error:
        unanswered(error)


def _when(moment: float | None) -> str:
    return "-" if moment is None else f"{datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _counted(count: int, what: str) -> str:
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{count} {what if count == 1 else many}"


def _verb(count: int) -> str:
    return "waits" if count == 1 else "wait"


def _tries(said: Said) -> str:
    """How often it was tried, and how often it failed while others arrived."""
    alone = f", {said['faults']} of them failed while other rows arrived" if said["faults"] else ""
    return f"{said['attempts']}{alone}" if said["attempts"] else "none"


def _line(row: Said) -> str:
    state = click.style(f"{row['state']:10}", fg=_COLOURS.get(row["state"]))
    tries = _counted(row["attempts"], "try") if row["attempts"] else ""
    more = [row["ticket"], tries, row["why"]]
    facts = f"{row['seq']:7}  {_when(row['created_at'])}  {row['lane']:10} {row['kind']:16} {state}"
    return f"{facts}  {'; '.join(part for part in more if part)}".rstrip()


def _shown(said: Said) -> list[str]:
    state = click.style(said["state"], fg=_COLOURS.get(said["state"]), bold=True)
    facts = (
        ("kind", f"{said['kind']} (lane {said['lane']})"),
        ("ticket", said["ticket"]),
        ("request", said["request"]),
        ("event", said["event"]),
        ("written", _when(said["created_at"])),
        ("next try", said["next_try_s"] is not None and f"in {spoken(said['next_try_s'])}"),
        ("expires", said["expires_at"] and _when(said["expires_at"])),
        ("ended", said["settled_at"] and _when(said["settled_at"])),
        ("tries", _tries(said)),
        ("error", said["why"]),
        (
            "holds",
            said["holds"]
            and f"{_counted(said['holds'], 'later row')} of the same stream {_verb(said['holds'])} for it",
        ),
        ("content", said["content"] and json.dumps(said["content"], ensure_ascii=False)),
    )
    return [f"{said['seq']}: {state}", *(f"  {label:8} {fact}" for label, fact in facts if fact)]


def _standing(said: Said) -> list[str]:
    oldest = f", the oldest for {spoken(said['oldest_age_s'])}" if said["oldest_age_s"] else ""
    contact = "never" if said["last_contact_s"] is None else f"{spoken(said['last_contact_s'])} ago"
    way = f"by {said['uplink'] or 'no uplink'}, circuit {said['breaker']}, epoch {said['epoch']}"
    waits = f"{_counted(said['waiting'], 'row')} {_verb(said['waiting'])}"
    lines = [
        f"{waits}{oldest}; {said['dead']} dead; {said['bytes']} bytes",
        f"portal: last answer {contact}, {way}",
    ]
    if said["refused"]:
        lines.append(f"the portal refuses this box, nothing is sent: {said['refused']}")
    if said["next_try_s"] is not None:
        lines.append(f"next try in {spoken(said['next_try_s'])}")
    lines += [f"certificate of {each['whose']}: until {_when(each['not_after'])}" for each in said["certificates"]]
    lines += [f"{row['lane']:10} {row['state']:10} {row['rows']:7}" for row in said["depths"]]
    return lines
