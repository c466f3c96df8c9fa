from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.codec.coding import Coding
from edge.modem.codec.describe import describe
from edge.modem.codec.fields import Address
from edge.modem.codec.tpdu import Deliver, StatusReport, Submit
from edge.modem.concat import Concat
from edge.modem.pdu import PduError, decode
from tests.unit.documented import ROOT

DELIVER = Deliver(Address("INDOSAT", alphanumeric=True), "", "", None, None)
SUBMIT = Submit(Address("+628123"), "Rp 5 \U0010f800", 7, Concat(513, 3, 2, wide=True), True, coding=Coding("gsm7", 0))
REPORT = StatusReport(Address("1818"), 7, None, 0x30)
EVERY = ["type", "number", "text", "encoding", "timestamp", "smsc", "concat", "status"]


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (DELIVER, ["deliver", "INDOSAT", "", "gsm7", None, None, None, None]),
        (SUBMIT, ["submit", "+628123", "Rp 5  ", "gsm7", None, None, {"ref": 513, "total": 3, "seq": 2}, None]),
        (REPORT, ["status_report", "1818", "", None, None, None, None, 0x30]),
    ],
)
def test_what_every_message_tells(message: Deliver | Submit | StatusReport, wanted: list[object]) -> None:
    """A program would have to know which keys which type has; "" would have to be told from nothing."""
    said = describe(message)
    assert [said[key] for key in EVERY] == wanted


@pytest.mark.parametrize("message", [DELIVER, SUBMIT, REPORT], ids=["deliver", "submit", "status_report"])
def test_every_key_is_documented(message: Deliver | Submit | StatusReport) -> None:
    """A key's meaning would have to be guessed."""
    page = (ROOT / "docs" / "commands.md").read_text().split("## `kampung-edge sms decode HEX...`")[1].split("\n## ")[0]
    assert describe(message).keys() <= set(re.findall(r"`([a-z_]+)`", page))


@given(st.binary(max_size=190))
def test_whatever_can_be_read_can_be_told(octets: bytes) -> None:
    """A strange message would end the listing of all that follow."""
    with contextlib.suppress(PduError):
        line = json.dumps(describe(decode((b"\0" + octets).hex())), ensure_ascii=False)
        assert json.loads(line.encode())
