"""Little memory: libraries without the parts of the standard library that they name and we never use, and what is
freed given back.

A box has 512 MB. prometheus-client names a web server that we do not start, pyroute2 names `multiprocessing` and
`unittest.mock` for ways of working that we do not go; together they cost 3 MB of resident memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from types import ModuleType


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Let the modules `names` be empty while the body imports; one that is loaded already stays what it is.

    A name taken from such a module is a class of its own that can do nothing. Whoever imports the module later gets
    the real one.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Empty(name)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def give_back() -> bool:
    """Give freed memory back to the kernel (malloc_trim(3)); False where the C library has no such call.

    Starting reads files and compiles the page; two megabytes of what that took would otherwise stay with us.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return False
    trim(0)
    return True


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return sys.modules.get(f"{self.__name__}.{name}") or type(name, (), {})
