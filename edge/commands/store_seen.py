"""`kampung-edge store seen`: what was damaged is read by a person, and the alarm about it ends."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, load, must_exist, print_json, refusals, unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.queue.store.mend.damage import Damage

_DETAIL_SHOWN = 200


@click.command("seen", short_help="Read what was damaged, and end the alarm about it.")
@config_option
@click.option("--yes", is_flag=True, help="Do not ask for the confirmation.")
@json_option
def seen(path: Path, yes: bool, as_json: bool) -> None:
    """Show what was damaged since the last time; store-corrupt and store-damaged end once you have seen it.

    Of very much the oldest is shown first: run it again. Later damage raises them again. The daemon may run.

    \b
    Example: kampung-edge store seen
    """
    from edge.queue.store.mend import damage

    if as_json and not yes:
        end("--json asks nothing: say --yes too", exits.CONFIGURATION)
    config = load(path)
    file = Path(config.state_dir) / config.store.path
    with refusals(), _told(file):
        must_exist(file)
        file.open("rb").close()  # SQLite does not tell a file that may not be read from one that is damaged
        upto, found = damage.unread(file)
    if not as_json:
        for one in found:
            click.echo(shown(one))
        if not found:
            click.echo(f"{file}: nothing was damaged that somebody has not seen already")
            return
        if not yes:
            click.confirm("Have you seen all of it, and shall the alarm end?", abort=True)
    with refusals(), _told(file):
        mark(Path(config.run_dir), file, upto)
    if as_json:
        print_json({"store": str(file), "seen": upto, "damage": [asdict(one) for one in found]})
    elif len(found) == damage.LISTED_MOST:
        click.echo("there may be more: run it again", err=True)


def shown(one: Damage) -> str:
    """A damage on one line."""
    at = datetime.fromtimestamp(one.found_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    what = f"{one.lost} is lost ({one.place})" if one.lost else f"{one.place}: {one.detail[:_DETAIL_SHOWN]}"
    return f"{at}  {what}"


def mark(run_dir: Path, file: Path, upto: int) -> None:
    """By the daemon, whose alarm ends with it; by ourselves where none runs."""
    from edge.control import NotRunning, Refused, ask
    from edge.queue.store import files
    from edge.queue.store.mend import damage

    try:
        ask(run_dir, {"ask": "store-seen", "upto": upto})
    except NotRunning:
        with closing(files.connect(file)) as conn:
            damage.mark_seen(conn, upto)
    except Refused as refused:
        unanswered(refused)


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn what SQLite refuses into one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        end(f"{file} cannot be read or written ({error}): run `kampung-edge store check`", exits.FAILED)
