"""pyroute2's netlink core, without its package initialiser.

``import pyroute2`` loads sixty more of its modules than this room uses and costs 6 MB of resident memory on a box that
has 512. So the package is entered with its search path alone, and every import of it goes through here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType


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


@contextlib.contextmanager
def _without_unittest() -> Iterator[None]:
    """pyroute2's socket for machines without netlink is a unittest.Mock; the real one costs a megabyte at import."""
    if "unittest" in sys.modules:
        yield
        return
    package, mock = ModuleType("unittest"), ModuleType("unittest.mock")
    package.__dict__["mock"] = mock
    mock.__dict__["__getattr__"] = lambda _name: object
    sys.modules |= {"unittest": package, "unittest.mock": mock}
    try:
        yield
    finally:
        del sys.modules["unittest"], sys.modules["unittest.mock"]


_enter_package("pyroute2")
with _without_unittest():
    from pyroute2.iproute import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

__all__ = ["IPRoute", "NetlinkError"]
