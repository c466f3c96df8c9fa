"""Which qdiscs the kernel has, asked of a real kernel."""

from __future__ import annotations

import pytest

from edge.kernel.kinds import knows
from tests.lab.namespaces import sh
from tests.lab.town import kernel_state

pytestmark = pytest.mark.usefixtures("box")


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
