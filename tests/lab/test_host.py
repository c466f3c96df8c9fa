"""The host's state: applied, read back, healed and taken away, by a real kernel."""

from __future__ import annotations

import pytest

from edge.kernel.host import Host
from edge.kernel.state import HostState, diff
from edge.traffic.plan import desired
from tests.lab.town import first, kernel_state, settings

pytestmark = pytest.mark.usefixtures("box")


def wanted(host: Host) -> HostState:
    config = settings()
    return desired(config, first(config), host.facts())


def test_second_apply_changes_nothing() -> None:
    """What is read back must equal what was written, or the daemon would rewrite the host for ever."""
    host = Host()
    made, refused = host.apply(wanted(host))
    assert refused == []
    assert made
    assert diff(wanted(host), host.observe()) == []
    before = kernel_state()
    assert host.apply(wanted(host)) == ([], [])
    assert kernel_state() == before
    another = Host()
    assert another.apply(wanted(another)) == ([], []), "another process must recognise the state as well"
