"""pyroute2's netlink core, without its package initialiser.

``import pyroute2`` loads sixty more of its modules than this room uses and costs 6 MB of resident memory on a box that
has 512. So the package is entered with its search path alone, and every import of it goes through here.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from edge.lean import without


def _enter_package(name: str) -> None:
    if name in sys.modules:
        return
    found = importlib.util.find_spec(name)
    if found is None or found.submodule_search_locations is None:
        raise ImportError(f"{name} is not installed: run pip install in the daemon's environment again")
    package = ModuleType(name)
    package.__path__ = list(found.submodule_search_locations)
    package.__spec__ = found
    sys.modules[name] = package


_enter_package("pyroute2")
# Its socket for machines without netlink is a mock, its way into a process of its own is not ours.
with without("unittest", "unittest.mock", "multiprocessing", "ctypes.util", "shutil", "tempfile"):
    from pyroute2.iproute import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

__all__ = ["IPRoute", "NetlinkError"]
