"""`kampung-edge sms staff`: what villagers wrote for the office's staff, read by a person."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from edge import exits
from edge.commands.common import config_option, json_option, print_json, run_dir, unanswered

Said = dict[str, Any]


@click.command("staff", short_help="Read what villagers wrote to the office's staff.")
@config_option
@json_option
@click.option("--all", "every", is_flag=True, help="The last ones, also those that were read.")
@click.option("--reveal", is_flag=True, help="Show numbers and texts; it is written down that this was done.")
@click.option(
    "--read", "ids", metavar="ID", type=click.IntRange(1, 1 << 62), multiple=True, help="Note ID as read; repeatable."
)
@click.option("--limit", type=click.IntRange(1, 50), default=20, show_default=True, help="How many.")
def staff(path: Path, as_json: bool, every: bool, reveal: bool, ids: tuple[int, ...], limit: int) -> None:
    """List complaints, emergencies and other messages for people that nobody has read yet, oldest first.

    With --read they are noted as read, and deleted once they are old. Exit 1 when one was not unread.

    \b
    Example: kampung-edge sms staff --reveal
             kampung-edge sms staff --read 17 --read 18
    """
    here = run_dir(path)
    if ids:
        _note(here, ids, as_json=as_json)
    said = _ask(here, ask="sms-staff", all=every, reveal=reveal, limit=limit)
    if as_json:
        print_json(said)
        return
    for row in said["messages"]:
        click.echo(_line(row))
    if not said["messages"]:
        click.echo("there is none", err=True)


def _note(here: Path, ids: tuple[int, ...], *, as_json: bool) -> None:
    said = _ask(here, ask="sms-staff-read", ids=list(ids))
    if as_json:
        print_json(said)
    else:
        for number in said["done"]:
            click.echo(f"{number}: read")
        for number in said["not_unread"]:
            click.echo(f"{number}: read before, or not there", err=True)
    sys.exit(exits.FAILED if said["not_unread"] else 0)


def _line(row: Said) -> str:
    at = f"{datetime.fromtimestamp(row['created_at']).astimezone():%Y-%m-%d %H:%M:%S}"
    facts = f"{row['id']:6}  {at}  {row['kind']:10} {row['ticket']:7} {row['from'] or 'lost to damage':15}"
    more = ["read"] if row["read_at"] else []
    more += [" ".join(row["text"].split())] if row["text"] else []
    return f"{facts}  {'; '.join(more)}".rstrip()


def _ask(here: Path, /, **question: Any) -> Said:
    """The daemon's answer; without one the command ends with a sentence."""
    from edge.control import NotRunning, Refused, ask

    try:
        return ask(here, question)
    except (NotRunning, Refused) as error:
        unanswered(error)
