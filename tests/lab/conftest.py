"""The lab builds network namespaces and changes the network of the one it runs in, so it must be in a sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.town import town


@pytest.fixture(autouse=True, scope="session")
def sandbox() -> None:
    if "KAMPUNG_EDGE_SANDBOX" not in os.environ:
        pytest.fail("the lab changes the network it runs in: run it as `script/sandbox .venv/bin/pytest tests/lab`")


@pytest.fixture
def box() -> Iterator[None]:
    """A new town, with this process in its box."""
    with town():
        yield
