"""The dnsmasq configuration."""

import subprocess
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from edge.config import Config, Tunnel
from edge.events import Level
from edge.lan.dnsmasq import asked, render, servers
from edge.monitor.verdict import Cause, Verdict


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


def test_its_name_servers_stand_in_a_file_of_their_own(config: Config) -> None:
    """dnsmasq would ask one uplink's resolvers for ever: only a servers-file is read again on SIGHUP."""
    lines = render(config).splitlines()
    assert not [line for line in lines if line.startswith("server=")]
    assert f"servers-file={config.run_dir}/dnsmasq.servers" in lines
    assert f"pid-file={config.run_dir}/dnsmasq.pid" in lines


def test_every_resolver_is_asked_through_its_uplink(config: Config) -> None:
    """A resolver asked through the other uplink answers nobody: providers refuse strangers."""
    text = servers(config, config.uplink)
    assert text.splitlines()[1:] == ["server=10.35.0.53@pde0", "server=203.0.113.53@telkom0"]


@pytest.mark.parametrize("pinning", ["uplink", "tunnel"])
def test_a_pinned_resolver_goes_by_the_ways_of_its_network(config: Config, pinning: str) -> None:
    """Bound to a device it would not follow the tunnel, or be dropped on the other uplink."""
    pde, telkom = config.uplink
    if pinning == "uplink":
        config = replace(config, uplink=(replace(pde, pinned=("10.35.0.0/16",)), telkom))
    else:
        config = replace(config, tunnel=(Tunnel(name="regency", device="wg0", pinned=("10.35.0.0/16",)),))
    assert servers(config, config.uplink).splitlines()[1:] == ["server=10.35.0.53", "server=203.0.113.53@telkom0"]


def verdicts(**said: str) -> dict[str, Verdict]:
    levels: dict[str, tuple[Level, Cause]] = {
        "up": ("up", ""),
        "slow": ("degraded", "slow"),
        "dns": ("degraded", "dns"),
        "down": ("down", "no-reply"),
        "starting": ("down", "starting"),
    }
    return {name: Verdict(name, *levels[word], 0.0, None, 0.0) for name, word in said.items()}


@pytest.mark.parametrize(
    ("order", "said", "wanted"),
    [
        (["pde", "telkom", "pde"], {}, ["pde"]),
        (["telkom", "telkom", "telkom"], {}, ["telkom"]),
        (["pde"], {"pde": "up", "telkom": "up"}, ["pde"]),
        (["pde"], {"pde": "starting", "telkom": "up"}, ["pde"]),
        (["pde"], {"pde": "slow", "telkom": "up"}, ["pde"]),
        (["pde"], {"pde": "dns", "telkom": "up"}, ["telkom"]),
        (["pde"], {"pde": "down", "telkom": "up"}, ["telkom"]),
        (["pde"], {"pde": "dns", "telkom": "slow"}, ["telkom"]),
        (["pde"], {"pde": "dns", "telkom": "down"}, ["pde", "telkom"]),
        (["telkom"], {"pde": "down", "telkom": "down"}, ["telkom", "pde"]),
        ([], {}, ["pde"]),
    ],
)
def test_names_are_asked_by_the_service_s_uplink_unless_they_fail_there(
    config: Config, order: list[str], said: dict[str, str], wanted: list[str]
) -> None:
    """The office would have a working uplink and no names."""
    assert [uplink.name for uplink in asked(config, order, verdicts(**said))] == wanted


def test_an_uplink_without_resolvers_is_passed_over(config: Config) -> None:
    """dnsmasq would be left without any server."""
    pde, telkom = config.uplink
    config = replace(config, uplink=(replace(pde, resolvers=()), telkom))
    assert [uplink.name for uplink in asked(config, ["pde"], verdicts(pde="up", telkom="up"))] == ["telkom"]
    config = replace(config, uplink=(replace(pde, resolvers=()), replace(telkom, resolvers=())))
    assert asked(config, ["pde"], {}) == ()
    assert "server=" not in servers(config, ())


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
