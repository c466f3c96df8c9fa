from __future__ import annotations

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
