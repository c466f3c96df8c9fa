"""The kernel room's parts one by one: qdisc kinds, the seal, conntrack, notices, and the lack of privileges."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from edge.kernel import nftables
from edge.kernel.kinds import knows
from edge.kernel.notices import Notices
from edge.kernel.state import TABLE, Ruleset, Scope
from tests.lab.namespaces import sh
from tests.lab.town import kernel_state

pytestmark = pytest.mark.usefixtures("box")
_RULESET = Ruleset("abc", f"table inet {TABLE} {{\n chain one {{ accept\n }}\n}}\n")
_UNPRIVILEGED = """
import asyncio, json, time
from edge.clock import SystemClock
from edge.events import ClassMoved
from edge.health import Health
from edge.monitor.verdict import Verdict
from edge.traffic.controller import Controller
from tests.lab.town import settings

async def main():
    health, events = Health(time.time), []
    controller = Controller(settings(), clock=SystemClock(), announce=events.append, health=health)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(5):
        await controller.settled.wait()
    controller.judged(Verdict("pde", "down", "no-reply", 1.0, None, time.monotonic()))
    async with asyncio.timeout(5):
        while controller.assignment.service.uplink != "telkom":
            await asyncio.sleep(0.01)
    print(json.dumps([[r.condition.code, r.detail] for r in health.current()] + [task.done()]))
    task.cancel()

asyncio.run(main())
"""


def test_asking_for_a_qdisc_changes_nothing() -> None:
    """The question which leaf there is must be answered truly, and leave the loopback device as it was."""
    before = kernel_state()
    known = {kind for kind in ("cake", "fq_codel", "sfq", "no_such_kind") if knows(kind)}
    assert kernel_state() == before
    for kind in ("cake", "fq_codel", "sfq"):
        sh("ip link add probe type dummy", check=False) or sh("ip link add probe type ifb", check=False)
        sh(f"tc qdisc add dev probe root {kind}", check=False)
        assert (kind in known) == (f"qdisc {kind}" in sh("tc qdisc show dev probe"))
        sh("ip link del probe")
    assert "no_such_kind" not in known


def test_a_qdisc_that_exists_is_known() -> None:
    """A kind whose options are refused must not be taken for a missing one."""
    assert knows("htb")
    assert knows("tbf")
    assert "qdisc noqueue 0: dev lo root" in sh("tc qdisc")


def test_the_seal_tells_an_untouched_table_from_an_altered_one() -> None:
    """Whoever alters the table, and however, must be noticed by the next reader, also by one of another process."""
    assert nftables.observe() is None
    nftables.load(_RULESET)
    assert nftables.observe() == Ruleset("abc")
    for damage in (
        f"add rule inet {TABLE} one drop",
        f"add chain inet {TABLE} two",
        f"flush chain inet {TABLE} one",
        f"flush chain inet {TABLE} seal",
        f"flush table inet {TABLE}",
        f"add rule inet {TABLE} seal accept comment more",
    ):
        nftables.remove()
        nftables.load(_RULESET)
        sh(f"nft {damage}")
        assert nftables.observe() == Ruleset(nftables.ALTERED), damage
    nftables.remove()
    nftables.remove()
    assert nftables.observe() is None


def test_a_refused_ruleset_says_why_and_leaves_the_old_one() -> None:
    """A table that does not load must not cost the one that protects the guests."""
    nftables.load(_RULESET)
    with pytest.raises(nftables.NftRefused, match="syntax error"):
        nftables.load(Ruleset("new", f"table inet {TABLE}\ndelete table inet {TABLE}\nnonsense\n"))
    assert nftables.observe() == Ruleset("abc")


@pytest.mark.parametrize(
    ("command", "scope"),
    [
        ("ip rule add priority 20500 lookup 7", "routing"),
        ("ip route add 198.51.100.0/24 dev pde0", "routing"),
        ("ip -6 rule add priority 20500 lookup 7", "routing"),
        ("tc qdisc add dev pde0 root pfifo", "shaping"),
        ("ip link set pde0 mtu 1400", "table"),
        (f"nft add table inet {TABLE}", "table"),
    ],
)
async def test_the_kernel_tells_of_changes(command: str, scope: Scope) -> None:
    """A change that nobody tells of would be healed only by the next sweep."""
    told: asyncio.Queue[frozenset[Scope]] = asyncio.Queue()
    with Notices(told.put_nowait):
        await asyncio.to_thread(sh, command)
        async with asyncio.timeout(2):
            while scope not in await told.get():
                pass


def test_without_privileges_the_controller_says_so_and_goes_on() -> None:
    """Without CAP_NET_ADMIN nothing can be steered; the daemon must say it in one condition and keep deciding."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    done = subprocess.run([*drop, sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=True)
    *conditions, ended = json.loads(done.stdout)
    codes = [code for code, _ in conditions]
    assert codes.count("network-privilege") == 1
    assert "Operation not permitted" in dict(conditions)["network-privilege"]
    assert "network-apply" not in codes
    assert not ended
