"""`kampung-edge apply` and `kampung-edge confirm`: a configuration that undoes itself unless somebody confirms it."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge.commands.common import (
    action,
    config_option,
    json_option,
    load,
    network_refusals,
    print_json,
    run_dir,
    unanswered,
)
from edge.commands.durations import Duration, spoken

if TYPE_CHECKING:
    from edge.config import Config
    from edge.traffic.operator import Change

_LEAST_S, _MOST_S = 60, 86_400
_SWAP_S = 10.0


@click.command("apply", short_help="Try the configuration; it undoes itself unless confirmed.")
@config_option
@json_option
@click.option(
    "--confirm",
    "seconds",
    type=Duration(_LEAST_S, _MOST_S),
    default="5m",
    show_default=True,
    help="How long to wait for `kampung-edge confirm`, 1m to 24h.",
)
@click.option("--undo", is_flag=True, help="End the trial now and go back.")
def apply(path: Path, as_json: bool, seconds: float, undo: bool) -> None:
    """Have the daemon run the changed configuration on trial.

    The one before comes back by itself unless `kampung-edge confirm` is run in time, also when the daemon or the
    machine is restarted meanwhile: somebody whom the new one has cut off need only wait.

    \b
    Example: kampung-edge apply --confirm 5m
             kampung-edge apply --undo
    """
    if undo:
        said = _ask(run_dir(path), ask="undo")
        print_json(said) if as_json else click.echo("undone: the configuration before is in force")
        return
    config = load(path)
    changes = _changes(config)
    said = _ask(Path(config.run_dir), ask="apply", config=str(path.resolve()), confirm_s=seconds)
    if as_json:
        print_json({**said, "confirm_s": seconds, "network": [f"{each.action} {each.what}" for each in changes]})
        return
    if not said["changed"]:
        click.echo("nothing to try: the daemon runs this very configuration")
        return
    for change in changes:
        click.echo(f"{action(change.action)} {change.what}  ({change.why})", err=True)
    network = f"{len(changes)} changes in the network" if changes else "nothing changes in the network"
    until = datetime.fromtimestamp(said["until"]).astimezone()
    click.echo(f"on trial for {spoken(seconds)}, until {until:%H:%M:%S} by this machine's clock; {network}")
    click.echo("if everything works: kampung-edge confirm")


@click.command("confirm", short_help="Keep the configuration that is on trial.")
@config_option
@json_option
def confirm(path: Path, as_json: bool) -> None:
    """Keep the configuration that is on trial; without this it is undone.

    \b
    Example: kampung-edge confirm
    """
    said = _ask(run_dir(path), ask="confirm")
    print_json(said) if as_json else click.echo("confirmed: the configuration is in force for good")


def _ask(here: Path, /, **question: Any) -> dict[str, Any]:
    from edge.control import NotRunning, Refused, ask

    deadline = time.monotonic() + _SWAP_S
    while True:
        try:
            return ask(here, question)
        except NotRunning as error:
            if time.monotonic() > deadline or not _runs(here):
                unanswered(error)
            time.sleep(0.1)
        except Refused as error:
            unanswered(error)


def _runs(here: Path) -> bool:
    """Whether there is a daemon after all: it does not answer while it goes from one configuration to the other."""
    try:
        pid = int((here / "lock").read_text())
    except (OSError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()


def _changes(config: Config) -> list[Change]:
    """What it would change in this machine's network now."""
    from edge.traffic import operator

    with network_refusals():
        return operator.plan(config)
