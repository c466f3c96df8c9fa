"""Libraries that are imported without what they name and we never use."""

import importlib
import subprocess
import sys

import pytest

from edge.lean import without


def test_an_absent_module_gives_classes_that_can_be_derived_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that derives its classes from two of the module's would not import."""
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with without("wave"):
        wave = importlib.import_module("wave")
        assert type("Both", (wave.First, wave.Second), {})()
    assert "wave" not in sys.modules
    assert importlib.import_module("wave").open, "whoever imports it later gets the real one"


def test_a_module_that_is_loaded_stays_what_it_is() -> None:
    """Taking a module away from those who use it would break them."""
    with without("sys"):
        assert importlib.import_module("sys") is sys


def test_the_daemon_loads_none_of_what_it_never_uses() -> None:
    """Each of them costs a box of 512 MB up to a megabyte."""
    unwanted: tuple[str, ...] = (
        "unittest",
        "multiprocessing",
        "http.server",
        "wsgiref",
        *("argparse", "bz2", "fractions", "html.entities", "pickle", "tempfile", "urllib.request"),
        "sqlite_utils",
        "pysnmp",
        "holidays",
    )
    unwanted += ("edge.modem.examine.inspection", "edge.modem.examine.doctor")
    show = f"import sys, edge.daemon, edge.parts; print([name for name in {unwanted!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_what_is_freed_goes_back_to_the_kernel() -> None:
    """What a start or a peak took would stay with the box for weeks."""
    show = (
        "from edge.lean import give_back\n"
        "def held(): return int(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])\n"
        "before = held()\n"
        "many = [bytes(100_000) for _ in range(200)]; keep = bytes(2_000); del many\n"
        "assert give_back()\n"
        "print(held() - before)\n"
    )
    said = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert int(said.stdout) < 5_000
