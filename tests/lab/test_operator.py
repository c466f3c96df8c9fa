"""plan, teardown and guard as an operator meets them: among other people's state, and without privileges."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.kernel.host import Host
from edge.traffic import operator
from edge.traffic.plan import desired
from tests.lab.namespaces import sh
from tests.lab.town import first, kernel_state, settings

pytestmark = pytest.mark.usefixtures("box")
_UNPRIVILEGED = """
import json
from edge.traffic import operator
from tests.lab.town import settings
try:
    print(json.dumps([(c.action, c.what, c.why) for c in operator.plan(settings())]))
    operator.{command}(settings(run_dir="{run_dir}"))
except operator.CommandFailed as error:
    print(json.dumps(str(error)))
"""


def establish() -> None:
    config = settings()
    host = Host()
    wanted = desired(config, first(config), host.facts())
    assert host.apply(wanted)[1] == []


def test_plan_tells_what_run_would_do_and_does_nothing() -> None:
    """An operator must see every change and its reason before it is made, and none once it is made."""
    before = kernel_state()
    planned = operator.plan(settings())
    assert kernel_state() == before
    words = {change.what: change for change in planned}
    assert words["ip -4 rule 20100: fwmark 0x10000/0xf0000 lookup 20101"].why == "service uses pde"
    assert words["nft table inet kampung_edge"].action == "add"
    assert all(change.why for change in planned)
    establish()
    assert operator.plan(settings()) == []
    sh("ip rule del priority 20119")
    sh("nft flush chain inet kampung_edge ours")
    sh("ip rule add priority 20500 lookup 20101 protocol 75")
    assert [(change.action, change.what) for change in operator.plan(settings())] == [
        ("add", "ip -4 rule 20119: fwmark 0x20000/0xf0000 unreachable"),
        ("remove", "ip -4 rule 20500: lookup 20101"),
        ("replace", "nft table inet kampung_edge"),
    ]


def test_plan_keeps_the_assignment_of_the_running_daemon() -> None:
    """While the service is on its second uplink, the plan must not pretend that it should move back."""
    config = settings()
    host = Host()
    before = first(config)
    moved = type(before)(type(before.service)("telkom", "moved"), before.wifi, before.control)
    host.apply(desired(config, moved, host.facts()))
    assert operator.plan(config) == []


def test_plan_in_mode_beside_is_empty() -> None:
    """Beside another router nothing is ever written."""
    assert operator.plan(settings(mode="beside")) == []


def test_teardown_takes_ours_and_leaves_everyone_elses(tmp_path: Path) -> None:
    """A foreign table, rule, route, qdisc and filter, even in our number ranges, must survive; of ours nothing may."""
    sh("sysctl -qw net.ipv4.ip_forward=0")
    sh("nft -f -", stdin="table inet filter { chain input { type filter hook input priority 0; policy accept; }; }")
    sh("ip rule add priority 100 fwmark 7 lookup 42")
    sh("ip rule add priority 20050 fwmark 7 lookup 42")
    sh("ip route add 198.51.100.0/24 via 10.35.10.1 table 42")
    sh("ip route add 198.51.100.0/24 via 10.35.10.1 table 20101")
    sh("ip route add default via 10.35.10.1 dev pde0 metric 100")
    sh("ip link add ifb7 type ifb")
    sh("tc qdisc add dev ifb7 root handle 1: tbf rate 1mbit burst 10k latency 10ms")
    sh("tc qdisc add dev office0 clsact")
    sh("tc filter add dev office0 egress protocol all prio 5 u32 match u32 1 1 at 96 classid 1:1")
    before = kernel_state()
    config = settings(run_dir=str(tmp_path))
    operator.guard(config)
    establish()
    assert operator.teardown(config) > 100
    assert kernel_state() == before
    assert sh("sysctl -n net.ipv4.ip_forward").strip() == "0"
    assert list(tmp_path.iterdir()) == []
    assert operator.teardown(config) == 0


def test_a_foreign_root_qdisc_is_not_replaced() -> None:
    """Another program's shaper on an uplink is told, not overwritten, and everything else is applied."""
    sh("tc qdisc add dev pde0 root handle 1: tbf rate 1mbit burst 10k latency 10ms")
    config = settings()
    host = Host()
    wanted = desired(config, first(config), host.facts())
    _, refused = host.apply(wanted)
    assert "pde0 already has a root qdisc of another program (tbf)" in str(refused[0])
    assert len(refused) == 1
    assert "tbf 1: root" in sh("tc qdisc show dev pde0")
    assert "htb 4b45: root" in sh("tc qdisc show dev tel0")
    assert [change.what for change in operator.plan(config) if "pde0" not in change.what] == []


def test_guard_twice_remembers_the_first_values(tmp_path: Path) -> None:
    """A second guard must not take the first one's settings for the operator's."""
    sh("sysctl -qw net.ipv4.ip_forward=0")
    sh("sysctl -qw net.ipv4.conf.pde0.rp_filter=1")
    config = settings(run_dir=str(tmp_path))
    operator.guard(config)
    assert sh("sysctl -n net.ipv4.conf.pde0.rp_filter").strip() == "2"
    sh("sysctl -qw net.ipv4.ip_forward=0")
    operator.guard(config)
    assert sh("sysctl -n net.ipv4.ip_forward").strip() == "1"
    operator.teardown(config)
    assert sh("sysctl -n net.ipv4.ip_forward").strip() == "0"
    assert sh("sysctl -n net.ipv4.conf.pde0.rp_filter").strip() == "1"


def test_guard_with_a_full_run_directory_still_lets_the_village_through(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that fills /run would leave forwarding off at the next start, and say that root is missing."""
    sh("sysctl -qw net.ipv4.ip_forward=0")
    sh(f"mount -t tmpfs -o nr_inodes=1 tmpfs {tmp_path}")
    try:
        operator.guard(settings(run_dir=str(tmp_path)))
        assert sh("sysctl -n net.ipv4.ip_forward").strip() == "1"
        assert any("net/ipv4/ip_forward" in said and "is full" in said for said in caplog.messages)
        operator.teardown(settings(run_dir=str(tmp_path)))
    finally:
        sh(f"umount {tmp_path}")


def test_teardown_leaves_a_setting_that_someone_else_changed_since(tmp_path: Path) -> None:
    """What the operator has set after us is the operator's."""
    sh("sysctl -qw net.ipv4.conf.pde0.rp_filter=1")
    config = settings(run_dir=str(tmp_path))
    operator.guard(config)
    sh("sysctl -qw net.ipv4.conf.pde0.rp_filter=0")
    operator.teardown(config)
    assert sh("sysctl -n net.ipv4.conf.pde0.rp_filter").strip() == "0"


@pytest.mark.parametrize("command", ["teardown", "guard"])
def test_without_privileges_plan_works_and_the_rest_says_what_is_missing(command: str, tmp_path: Path) -> None:
    """An unprivileged operator may look; a command that must write says so in one sentence."""
    establish()
    sh("ip rule del priority 20119")
    script = _UNPRIVILEGED.format(command=command, run_dir=tmp_path)
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    done = subprocess.run([*drop, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    planned, failure = (json.loads(line) for line in done.stdout.splitlines())
    assert [change[:2] for change in planned] == [
        ["add", "ip -4 rule 20119: fwmark 0x20000/0xf0000 unreachable"],
        ["replace", "nft table inet kampung_edge"],
    ]
    assert "Operation not permitted" in failure
    assert failure.endswith(f"run {command} as root")


def test_what_cannot_be_given_back_yet_stays_remembered(tmp_path: Path) -> None:
    """A teardown without the privilege would forget the old values, and a later one as root leave ours for good."""
    memory = tmp_path / "sysctl.json"
    memory.write_text('{"net/netfilter/nf_conntrack_count": {"before": 1, "after": 0}}')
    before = memory.read_text()
    operator.teardown(settings(run_dir=str(tmp_path)))
    assert memory.read_text() == before
