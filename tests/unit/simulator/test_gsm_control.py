from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.simulator.gsm import GsmModem
from edge.simulator.gsm_control import Control


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"no json", "JSONDecodeError"),
        (b"[]", "TypeError"),
        (b'{"do": "fly"}', "KeyError"),
        (b'{"do": "deliver", "sender": "+62"}', "KeyError"),
        (b'{"do": "fault", "name": "nonsense", "value": 1}', "a fault is one of accept_twins"),
        (b"\xff\n", "Unicode"),
    ],
)
async def test_wrong_orders_are_answered(tmp_path: Path, line: bytes, why: str) -> None:
    """One wrong order would end the modem, and the crash test with it."""
    answer = await Control(GsmModem(tmp_path / "modem")).obey(line)
    assert answer["ok"] is False
    assert why in answer["error"]


async def test_faults_are_set(tmp_path: Path) -> None:
    """A fault ordered over the socket would not happen."""
    modem = GsmModem(tmp_path / "modem")
    assert await Control(modem).obey(b'{"do": "fault", "name": "cms_error", "value": [2, 38]}') == {"ok": True}
    assert modem.faults.cms_error == (2, 38)


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ({"do": "taken"}, {"taken": []}),
        ({"do": "refused"}, {"refused": []}),
        ({"do": "deleted"}, {"deleted": []}),
        ({"do": "line", "kind": "noisy"}, {}),
        ({"do": "pace", "network_s": 1}, {}),
        ({"do": "hang", "seconds": 0.1}, {}),
        ({"do": "register", "on": False}, {}),
        ({"do": "sim", "in": False}, {}),
        ({"do": "sim", "in": True}, {}),
        ({"do": "time", "offset_s": 5}, {}),
        ({"do": "mms", "sender": "+628123"}, {}),
        ({"do": "ring", "number": "+628123", "rings": 0}, {"rejected": False}),
        ({"do": "ussd", "code": "*1#", "kind": 0, "text": "x"}, {"asked": [], "answered": [], "open": False}),
        ({"do": "restart"}, {}),
        ({"do": "fault", "name": "bad_numbers", "value": {"+628": 28}}, {}),
    ],
)
async def test_every_order_is_obeyed(tmp_path: Path, order: dict[str, object], wanted: dict[str, object]) -> None:
    """A crash test would wait for a mishap that never comes."""
    modem = GsmModem(tmp_path / "modem")
    await modem.start()
    assert await Control(modem).obey(json.dumps(order).encode()) == {"ok": True} | wanted
    await modem.stop()


async def test_the_line_is_named_by_its_kind(tmp_path: Path) -> None:
    """A line that does not exist would pass for a whole one."""
    answer = await Control(GsmModem(tmp_path / "modem")).obey(b'{"do": "line", "kind": "wet"}')
    assert answer == {"ok": False, "error": "ValueError: a line is one of whole, bytes, slow, delayed, noisy"}
