"""The way into pyroute2 that leaves most of it out."""

from __future__ import annotations

import subprocess
import sys


def test_only_the_netlink_core_is_loaded() -> None:
    """All of pyroute2 costs 6 MB more of resident memory than this room needs."""
    script = (
        "import sys, edge.kernel.host; print([m for m in ('pyroute2.ndb.main', 'pyroute2.nslink') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
