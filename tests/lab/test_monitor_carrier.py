"""Link state and link news of real devices."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from edge.monitor.carrier import Link, LinkNews, LinkReader
from tests.lab.monitor_lab import DEVICE, Line, eventually, line, sh

__all__ = ["line"]


@pytest.fixture
def reader() -> Iterator[LinkReader]:
    reader = LinkReader()
    yield reader
    reader.close()


async def test_every_state_is_read(line: Line, reader: LinkReader) -> None:
    """Carrier, no carrier, switched off and absent must be told apart, without /sys."""
    await eventually(lambda: reader.read(DEVICE).state == "carrier")
    line.carrier("down")
    assert reader.read(DEVICE).state == "no-carrier"
    line.carrier("up")
    assert reader.read(DEVICE).state == "carrier"
    sh(f"ip link set {DEVICE} down")
    assert reader.read(DEVICE).state == "no-carrier"
    line.unplug()
    assert reader.read(DEVICE) == Link("absent", 0)


def test_second_change_within_a_second_is_read_at_once(line: Line, reader: LinkReader) -> None:
    """The kernel holds back the news of a second change for up to a second; reading must not wait for it."""
    took: list[float] = []
    for _ in range(5):
        began = time.monotonic()
        line.carrier("down")
        assert reader.read(DEVICE).state == "no-carrier"
        line.carrier("up")
        assert reader.read(DEVICE).state == "carrier"
        took.append(time.monotonic() - began)
    assert min(took) < 1, "too slow to have tested anything"


def test_replaced_device_has_another_index(line: Line, reader: LinkReader) -> None:
    """A device of the same name must be recognised as another one."""
    before = reader.read(DEVICE).index
    line.unplug()
    line.plug()
    after = reader.read(DEVICE).index
    assert before > 0
    assert after > 0
    assert before != after


@pytest.mark.usefixtures("line")
def test_device_that_cannot_detect_a_link_uses_its_flags(reader: LinkReader) -> None:
    """A device whose driver knows no link detection must still be read."""
    sh("ip link add plain0 type ifb")
    try:
        assert reader.read("plain0").state == "no-carrier"
        sh("ip link set plain0 up")
        assert reader.read("plain0").state == "carrier"
    finally:
        sh("ip link del plain0")


async def test_news_comes_within_a_moment(line: Line) -> None:
    """A pulled cable must be reported at once, and again after more news than one read takes."""
    heard: list[float] = []
    news = LinkNews(lambda: heard.append(time.monotonic()))
    news.open()
    try:
        line.carrier("down")
        await eventually(lambda: bool(heard))
        for number in range(40):
            sh(f"ip link add many{number} type ifb")
            sh(f"ip link del many{number}")
        heard.clear()
        await eventually(lambda: bool(heard))
        heard.clear()
        line.unplug()
        await eventually(lambda: bool(heard))
    finally:
        news.close()
