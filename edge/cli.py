"""The command line: thin commands, each calls one room. Rooms are imported only by the command that needs them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import __version__, exits
from edge.commands.apply import apply, confirm
from edge.commands.common import (
    action,
    alone,
    config_option,
    in_force,
    json_option,
    load,
    network_refusals,
    print_json,
    refusals,
    show,
)
from edge.commands.devices import devices
from edge.commands.modem import modem
from edge.commands.monitor import monitor
from edge.commands.outbox import outbox
from edge.commands.report import report
from edge.commands.sms import sms
from edge.commands.store import store
from edge.commands.uplink import uplink

if TYPE_CHECKING:
    from edge.desk_keys import Scope

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_FILE = click.Path(path_type=Path, dir_okay=True)
_SCOPES = ("read", "search", "file", "close")  # those of edge.desk_keys, which --help must not import
_SECRET = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.group(context_settings=_SETTINGS)
def main() -> None:
    """Keep a village office online: two uplinks, fair WiFi, an SMS Center and a durable request queue.

    \b
    Example: kampung-edge check-config /etc/kampung-edge/kampung-edge.toml
    """


@main.command()
def version() -> None:
    """Print the version.

    \b
    Example: kampung-edge version
    """
    click.echo(f"kampung-edge {__version__}")


@main.command("check-config", short_help="Report every mistake of a configuration at once.")
@click.argument("path", type=_FILE, metavar="FILE")
@json_option
def check_config(path: Path, as_json: bool) -> None:
    """Report every mistake in FILE at once; exit 2 when there is an error, 0 when there are only warnings or none.

    \b
    Example: kampung-edge check-config /etc/kampung-edge/kampung-edge.toml
    """
    from edge.config_check import check

    problems = check(path)
    broken = any(problem.severity == "error" for problem in problems)
    if as_json:
        print_json({"file": str(path), "ok": not broken, "problems": [asdict(problem) for problem in problems]})
    else:
        show(problems)
        if not broken:
            click.echo(f"{path}: good")
    sys.exit(exits.CONFIGURATION if broken else 0)


@main.command(short_help="Run the daemon in the foreground.")
@config_option
def run(path: Path) -> None:
    """Run the daemon in the foreground until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    \b
    Example: kampung-edge run --config /etc/kampung-edge/kampung-edge.toml
    """
    from edge.daemon import main as run_daemon

    sys.exit(run_daemon(path))


@main.command(short_help="Show what the daemon would change in the network, and why.")
@config_option
@json_option
def plan(path: Path, as_json: bool) -> None:
    """Show what the daemon would change in this machine's network, and why; changes nothing.

    \b
    Example: kampung-edge plan --config /etc/kampung-edge/kampung-edge.toml
    """
    config = load(path)
    from edge.traffic import operator

    with network_refusals():
        changes = operator.plan(config)
    if as_json:
        print_json([asdict(change) for change in changes])
        return
    for change in changes:
        click.echo(f"{action(change.action)} {change.what}  ({change.why})")
    click.echo(f"{len(changes)} changes" if changes else "nothing to change")


@main.command(short_help="Remove every trace of the daemon from the network.")
@config_option
def teardown(path: Path) -> None:
    """Remove every trace of the daemon from this machine's network, and nothing else; stop the daemon first.

    \b
    Example: kampung-edge teardown --config /etc/kampung-edge/kampung-edge.toml
    """
    config = load(path)
    with network_refusals(), alone(config):
        from edge.traffic import operator

        removed = operator.teardown(config)
    click.echo(f"removed {removed}" if removed else "nothing to remove")


@main.command(short_help="Deny guests, then turn forwarding on.")
@config_option
def guard(path: Path) -> None:
    """Deny guests, then turn forwarding on: for root, at boot, before the network is up.

    \b
    Example: kampung-edge guard --config /etc/kampung-edge/kampung-edge.toml
    """
    config = in_force(path, load(path))
    from edge.traffic import operator

    with network_refusals():
        operator.guard(config)


@main.command(short_help="Print the dnsmasq.conf for office and guests.")
@config_option
@click.option("--prepare", is_flag=True, help="Write it and the name servers into run_dir, where the daemon has not.")
def dnsmasq(path: Path, prepare: bool) -> None:
    """Print the dnsmasq.conf that gives the office and the guests their addresses and names.

    \b
    Example: kampung-edge dnsmasq --config /etc/kampung-edge/kampung-edge.toml
             kampung-edge dnsmasq --prepare
    """
    config = load(path)
    if prepare:
        from edge.lan import resolver

        with refusals():
            for written in resolver.prepare(in_force(path, config)):
                click.echo(f"wrote {written}")
        return
    from edge.lan.dnsmasq import render

    click.echo(render(config), nl=False)


@main.command(short_help="Run the real daemon in a virtual village.")
@click.option("--smoke", is_flag=True, help="No terminal, no menu: drive one of each and print one line of JSON.")
def demo(smoke: bool) -> None:
    """Build a virtual village, run the real daemon in it, and offer a menu of troubles.

    \b
    Example: kampung-edge demo
             kampung-edge demo --smoke
    """
    from edge.simulator.demo import main as run_demo

    sys.exit(run_demo(smoke))


@main.command(short_help="Write the daemon's secrets into a folder.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), metavar="DIRECTORY")
@click.option("--portal-key-file", type=_SECRET, metavar="FILE", help="The key the regency gave; - is standard input.")
@click.option("--sim-pin-file", type=_SECRET, metavar="FILE", help="The SIM's PIN, where it has one.")
@click.option("--desk", metavar="NAME", help="A key for one more program of the office; it is shown only now.")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(_SCOPES), help="What it allows; without it read and file."
)
@json_option
def keys(
    directory: Path,
    portal_key_file: Path | None,
    sim_pin_file: Path | None,
    desk: str | None,
    scopes: tuple[Scope, ...],
    as_json: bool,
) -> None:
    """Write the daemon's secrets into DIRECTORY: desk-key and store-key new, portal-key as given or asked for.

    What is there already stays. Keep a copy of store-key elsewhere: without it the store cannot be read. The secrets
    of SNMP devices, snmp-NAME (docs/devices.md), and the private key of the box's certificate, portal-client-key
    (docs/upstream.md), are written beside them by hand.

    \b
    Example: kampung-edge keys /etc/kampung-edge/keys --portal-key-file portal-key.txt
             kampung-edge keys /etc/kampung-edge/keys --desk loket-2 --scope read
    """
    from edge import keys as secrets

    with refusals():
        given = {}
        for name, file in (("portal-key", portal_key_file), ("sim-pin", sim_pin_file)):
            if file is not None:
                given[name] = secrets.read_given(file)
            elif name == "portal-key" and sys.stdin.isatty() and not (directory / name).exists():
                given[name] = secrets.clean(click.prompt("The portal's key", hide_input=True, default="", err=True))
        made = secrets.make(directory, given)
        key = secrets.grant(directory, desk, scopes or ("read", "file")) if desk is not None else None
    if as_json:
        print_json({"directory": str(directory), "files": made} | ({"desk": desk, "key": key} if key else {}))
        return
    for name, what in made.items():
        click.echo(f"{directory / name}: {what}")
    if key:
        click.echo(f"{directory / 'desk-keys'}: {desk} added; restart the daemon. Its key, shown only now: {key}")


main.add_command(devices)
main.add_command(modem)
main.add_command(monitor)
main.add_command(outbox)
main.add_command(report)
main.add_command(sms)
main.add_command(store)
main.add_command(uplink)
main.add_command(apply)
main.add_command(confirm)
