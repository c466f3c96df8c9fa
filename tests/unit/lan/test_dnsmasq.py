"""The dnsmasq configuration."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from edge.config import Config
from edge.lan.dnsmasq import render


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return msgspec.convert(
        {
            "state_dir": str(tmp_path),
            "village": {"code": "3510052001", "name": "Sumberberas", "district": "Muncar"},
            "uplink": [
                {"name": name, "device": f"{name}0", "gateway": "192.168.1.1", "download_mbit": 10, "upload_mbit": 10}
                | {"targets": ["203.0.113.1"], "resolvers": [resolver]}
                for name, resolver in (("pde", "10.35.0.53"), ("telkom", "203.0.113.53"))
            ],
            "classes": {
                "service": {
                    "uplinks": ["pde", "telkom"],
                    "guaranteed_percent": 70,
                    "devices": ["lan0"],
                    "networks": ["192.168.10.0/24"],
                },
                "wifi": {
                    "uplinks": ["telkom"],
                    "guaranteed_percent": 25,
                    "devices": ["wifi0"],
                    "networks": ["172.20.0.0/22"],
                },
                "control": {"uplinks": ["pde", "telkom"], "guaranteed_percent": 5},
            },
        },
        Config,
    )


def test_dnsmasq_itself_accepts_it(config: Config, tmp_path: Path) -> None:
    """A line that dnsmasq refuses would leave the village without names and addresses."""
    path = tmp_path / "dnsmasq.conf"
    path.write_text(render(config))
    done = subprocess.run(["dnsmasq", "--test", "-C", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_how_it_runs_is_left_to_who_starts_it(config: Config) -> None:
    """Debian's dnsmasq.service waits for the process to go to the background, and would end one that does not."""
    assert not {"keep-in-foreground", "no-daemon"} & set(render(config).splitlines())
    assert "log-facility" not in render(config)


def test_every_uplink_s_resolver_is_asked_through_that_uplink(config: Config) -> None:
    """A resolver asked through the dead uplink would answer nobody."""
    assert {line for line in render(config).splitlines() if line.startswith("server=")} == {
        "server=10.35.0.53@pde0",
        "server=203.0.113.53@telkom0",
    }


def test_ranges_lie_inside_their_networks_and_spare_the_lower_addresses(config: Config) -> None:
    """A guest given the box's own address would take the village offline."""
    ranges = [line for line in render(config).splitlines() if line.startswith("dhcp-range=")]
    assert ranges == [
        "dhcp-range=set:service,192.168.10.51,192.168.10.254,255.255.255.0,2h",
        "dhcp-range=set:wifi,172.20.0.204,172.20.3.254,255.255.252.0,2h",
    ]


def test_it_serves_no_uplink(config: Config) -> None:
    """An open resolver towards the internet is an attacker's amplifier."""
    served = {line for line in render(config).splitlines() if line.startswith("interface=")}
    assert served == {"interface=lan0", "interface=wifi0"}
