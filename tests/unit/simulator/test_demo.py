"""What the demo says when it cannot run, and what it counts as left over."""

import os
from pathlib import Path

from edge.simulator import demo


def test_missing_tools_are_named_with_their_packages(tmp_path: Path) -> None:
    """The demo would end in a traceback on a bare Debian."""
    path = os.environ["PATH"]
    os.environ["PATH"] = str(tmp_path)
    try:
        assert demo.obstacle() == "missing Debian packages: apt-get install iperf3 iproute2 nftables util-linux"
    finally:
        os.environ["PATH"] = path


def test_a_clean_host_has_nothing_left_over() -> None:
    """The smoke would blame a clean host."""
    assert demo.leftovers() == []
