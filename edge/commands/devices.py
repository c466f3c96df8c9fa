"""`kampung-edge devices`: what the daemon knows of the devices beside the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge import exits
from edge.commands.common import config_option, end, json_option, load, print_json, unanswered

_COLOURS = {"well": "green", "starting": "yellow", "silent": "red", "secret": "red"}


@click.command(short_help="Show the ONT, switch and MikroTik beside the box.")
@config_option
@json_option
def devices(path: Path, as_json: bool) -> None:
    """Show what the running daemon reads by SNMP from the devices of [[snmp]]: their state, ports and optical power.

    \b
    Example: kampung-edge devices
             kampung-edge devices --json
    """
    config = load(path)
    from edge.control import NotRunning, Refused, ask

    if not config.snmp:
        end(f"{path}: has no [[snmp]], so there is no device to show; see docs/devices.md", exits.FAILED)
    try:
        answer = ask(Path(config.run_dir), {"ask": "devices"})
    except (NotRunning, Refused) as error:
        unanswered(error)
    if as_json:
        print_json(answer)
        return
    for row in answer["devices"]:
        for line in lines(row):
            click.echo(line)


def lines(row: dict[str, Any]) -> list[str]:
    """A device as people read it: one line for it, one each module and port."""
    state = click.style(f"{row['state']:8}", fg=_COLOURS.get(row["state"]))
    reading = row["reading"] or {}
    facts = [row["detail"], *_facts(reading)]
    shown = [f"{row['name']:12} {row['role']:9} {state} {'; '.join(fact for fact in facts if fact)}".rstrip()]
    shown += [_optic(optic) for optic in reading.get("optics", ())]
    shown += [_port(port, watched=port["name"] in row["watched"]) for port in reading.get("ports", ())]
    return shown


def _facts(reading: dict[str, Any]) -> list[str]:
    units = (
        ("cpu_percent", "processor {:.0f}%"),
        ("temperature_c", "{:.0f} °C"),
        ("voltage_v", "{:.1f} V"),
        ("dhcp_leases", "{} leases"),
        ("hotspot_users", "{} hotspot users"),
        ("wifi_clients", "{} WiFi clients"),
    )
    facts = [unit.format(reading[key]) for key, unit in units if reading.get(key) is not None]
    if reading.get("uptime_s") is not None:
        facts.append(f"up {reading['uptime_s'] / 3600:.1f} h")
    return facts


def _optic(optic: dict[str, Any]) -> str:
    parts = [
        text.format(optic[key])
        for key, text in (("receive_dbm", "receives {:.1f} dBm"), ("transmit_dbm", "sends {:.1f} dBm"))
        if optic[key] is not None
    ]
    return f"  optic {optic['name'] or '(only)':16} {', '.join(parts) or 'says nothing'}"


def _port(port: dict[str, Any], *, watched: bool) -> str:
    state = {True: "up", False: "down", None: "?"}[port["up"]]
    speed = "" if not port["speed_mbit"] else f"{port['speed_mbit']} Mbit/s"
    rates = ""
    if port["received_mbit"] is not None and port["sent_mbit"] is not None:
        rates = f"in {port['received_mbit']:.2f} out {port['sent_mbit']:.2f} Mbit/s"
    errors = f"{port['errors']} errors" if port["errors"] else ""
    star = "*" if watched else " "
    return f" {star}port  {port['name']:16} {state:5} {speed:12} {rates:34} {errors}".rstrip()
