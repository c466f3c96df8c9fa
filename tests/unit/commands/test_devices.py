"""How `kampung-edge devices` reads."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from click.testing import CliRunner

from edge.cli import main
from edge.commands.devices import lines
from edge.monitor.snmp.figures import DeviceFigures, Optic, Port, Reading
from tests.unit.config_mistakes import DATA


def test_a_device_is_a_line_with_its_modules_and_ports() -> None:
    """A technician on the phone could not read out what matters."""
    reading = Reading(
        uptime_s=7_200,
        cpu_percent=12,
        temperature_c=47.6,
        dhcp_leases=37,
        hotspot_users=0,
        ports=(Port("ether1", True, 1_000, 5, 6, 7, 1.25, 0.5), Port("ether2", False, None), Port("ether3", None, 0)),
        optics=(Optic("sfp1", -18.4, 2.1), Optic("", None)),
    )
    figures = DeviceFigures("mikrotik", "mikrotik", "well", 0.0, watched=("ether1",), reading=reading)
    assert [click.unstyle(line) for line in lines(asdict(figures))] == [
        "mikrotik     mikrotik  well     processor 12%; 48 °C; 37 leases; 0 hotspot users; up 2.0 h",
        "  optic sfp1             receives -18.4 dBm, sends 2.1 dBm",
        "  optic (only)           says nothing",
        " *port  ether1           up    1000 Mbit/s  in 1.25 out 0.50 Mbit/s            7 errors",
        "  port  ether2           down",
        "  port  ether3           ?",
    ]


def test_a_silent_device_says_why() -> None:
    """An empty line would not tell a dead device from a wrong pass phrase."""
    figures = DeviceFigures("ont", "ont", "silent", 0.0, detail="no answer")
    assert [click.unstyle(line) for line in lines(asdict(figures))] == ["ont          ont       silent   no answer"]


def test_without_a_device_or_a_daemon_it_says_what_to_do(tmp_path: Path) -> None:
    """A traceback would be all that somebody sees who tries the command first."""
    village = tmp_path / "village.toml"
    village.write_text(f'run_dir = "{tmp_path}"\n' + (DATA / "warning-kind.toml").read_text())
    done = CliRunner().invoke(main, ["devices", "--config", str(village)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "has no [[snmp]]" in done.stderr
    village.write_text(village.read_text() + '\n[[snmp]]\nname = "ont"\nhost = "192.168.1.1"\n')
    done = CliRunner().invoke(main, ["devices", "--config", str(village)])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "systemctl start kampung-edge" in done.stderr
