"""The doctor on modems that have one illness each; lines are real ptys, the daemon's door is the real one."""

from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edge.cli import main
from edge.config import Modem
from edge.control import Control
from edge.modem.examine.doctor import examine
from edge.modem.examine.findings import Finding, verdict
from tests.contract.at_player import MODEM, playing
from tests.contract.usb_tree import ETHERNET_KIND, UsbTree

E173 = "12d1:1001"
CONFIG = Path(__file__).parents[1] / "data" / "config" / "warning-modem.toml"
BALANCE = 'OK\r\n\r\n+CUSD: {},"Pulsa Rp 12.345 aktif s.d 31-01-2027",15'


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "machine")


async def examined(
    tree: UsbTree, answers: Mapping[str, str], *, pin_given: bool = False, **settings: Any
) -> list[Finding]:
    """What is found of a stick with one line."""
    with playing(answers) as players:
        tree.plug("1-1", E173, lines={0: ("ttyUSB0", players[0].path)})
        found = await all_of(tree, Modem(device=f"usb:{E173}", **settings), pin_given=pin_given)
        assert not any("CPIN=" in heard or "CMGS" in heard or "CMGD" in heard for heard in players[0].heard)
        return found


async def all_of(tree: UsbTree, settings: Modem, *, pin_given: bool = False) -> list[Finding]:
    steps = examine(settings, pin_given=pin_given, places=tree.places, rule_folders=(tree.places.dev,))
    return [finding async for finding in steps]


def wrong(found: list[Finding]) -> list[str]:
    return [finding.step for finding in found if finding.ok is False and finding.step != "access"]


@pytest.mark.parametrize("strength", ["18,99", "99,99"])
async def test_a_modem_that_is_well_is_called_well(tree: UsbTree, strength: str) -> None:
    """An engineer would be sent to mend what works, such as an LTE modem that never tells its signal."""
    found = await examined(tree, {**MODEM, "AT+CSQ": f"+CSQ: {strength}\r\nOK"})
    assert wrong(found) == []
    steps = ["rivals", "device", "access", "alone", "modem", "sim", "signal", "network", "smsc", "storage"]
    assert [finding.step for finding in found] == steps


@pytest.mark.parametrize(
    ("changes", "step", "sentence"),
    [
        ({"AT+CPIN?": "+CME ERROR: 10"}, "sim", "SIM"),
        ({"AT+CPIN?": "+CPIN: SIM PUK\r\nOK"}, "sim", "PUK"),
        (
            {"AT+CPIN?": "+CPIN: SIM PIN\r\nOK", 'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,1,3\r\nOK"},
            "sim",
            "only 1 attempts",
        ),
        ({"AT+CSQ": "+CSQ: 2,99\r\nOK"}, "signal", "too weak"),
        ({"AT+CREG?": "+CREG: 0,3\r\nOK", "AT+CGREG?": "ERROR"}, "network", "refuses this SIM"),
        ({"AT+CSCA?": '+CSCA: "",129\r\nOK'}, "smsc", "no service centre"),
        ({"AT+CPMS?": '+CPMS: "SM",20,20,"SM",20,20,"SM",20,20\r\nOK'}, "storage", "is full"),
    ],
)
async def test_each_illness_is_named(tree: UsbTree, changes: dict[str, str], step: str, sentence: str) -> None:
    """The engineer would have to know AT commands by heart."""
    found = await examined(tree, {**MODEM, **changes}, pin_given=True)
    assert wrong(found) == [step]
    assert sentence in next(finding.sentence for finding in found if finding.step == step)


async def test_no_pin_is_tried_even_where_one_is_given(tree: UsbTree) -> None:
    """Looking for a fault would block the SIM."""
    answers = {**MODEM, "AT+CPIN?": "+CPIN: SIM PIN\r\nOK", 'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,3,3\r\nOK"}
    found = await examined(tree, answers, pin_given=True)
    assert [finding.step for finding in found if finding.ok is None and finding.step != "access"] == ["sim"]
    assert [finding.step for finding in found][-1] == "signal"  # what a locked SIM hides is not asked


@pytest.mark.parametrize(("menu", "low", "ok"), [(0, 10_000, True), (1, 10_000, True), (0, 20_000, False)])
async def test_the_credit_is_asked_where_it_is_configured(tree: UsbTree, menu: int, low: int, ok: bool) -> None:
    """An empty SIM would look like a modem that is well, or an open menu be left to charge it."""
    quectel = {**MODEM, "AT+CGMI": "Quectel\r\nOK", "AT+CGMM": "EC25\r\nOK", "AT+CUSD=2": "OK"}
    answers = {**quectel, 'AT+CUSD=1,"*888#",15': BALANCE.format(menu)}
    found = await examined(tree, answers, balance_ussd="*888#", balance_low_rp=low)
    assert found[-1].step == "credit"
    assert found[-1].ok is ok
    assert "Rp 12345, valid until 2027-01-31" in found[-1].sentence


async def test_a_code_that_the_network_refuses_is_not_called_an_empty_sim(tree: UsbTree) -> None:
    """A mistake in the configuration would be taken for a SIM without credit."""
    found = await examined(tree, MODEM, balance_ussd="*111#")
    assert (found[-1].step, found[-1].ok) == ("credit", None)


async def test_a_mute_line_of_a_stick_points_to_the_other_lines(tree: UsbTree) -> None:
    """The stick would be exchanged where only its diagnosis port was named."""
    with playing({}, MODEM) as players:
        tree.plug("1-1", E173, lines={number: (f"ttyUSB{number}", one.path) for number, one in enumerate(players)})
        found = await all_of(tree, Modem(device=str(tree.places.dev / "ttyUSB0")))
    assert wrong(found) == ["modem"]
    assert found[-1].remedy == 'write device = "usb:12d1:1001", which finds the line that speaks AT'


async def test_a_stick_in_hilink_mode_and_an_absent_one_are_told_apart(tree: UsbTree) -> None:
    """The engineer would look for a loose plug."""
    found = await all_of(tree, Modem(device=f"usb:{E173}"))
    assert "plug the modem in" in verdict(found)
    tree.plug("1-1", "12d1:14db", others=(ETHERNET_KIND,))
    assert "HiLink" in verdict(await all_of(tree, Modem(device=f"usb:{E173}")))


async def test_who_grabs_the_modem_is_named(tree: UsbTree) -> None:
    """ModemManager takes half of the answers, and nothing on the modem shows it."""
    with playing(MODEM) as players:
        tree.plug("1-1", E173, lines={0: ("ttyUSB0", players[0].path)})
        tree.run(812, "ModemManager", str(tree.places.dev / "ttyUSB0"))
        found = await all_of(tree, Modem(device=f"usb:{E173}"))
        assert wrong(found) == ["rivals", "alone"]
        assert "ModemManager (process 812)" in verdict(found)
        (tree.places.dev / "60-kampung-edge-modem.rules").touch()  # where this test looks for the rules
        assert wrong(await all_of(tree, Modem(device=f"usb:{E173}"))) == ["alone"]


# --- the command


def configured(tmp_path: Path, device: Path | str) -> Path:
    text = CONFIG.read_text().replace('"/dev/serial/by-id/absent"', f'"{device}"')
    (tmp_path / "run").mkdir()
    file = tmp_path / "kampung-edge.toml"
    file.write_text(f'run_dir = "{tmp_path / "run"}"\n{text}')
    assert tomllib.loads(file.read_text())["modem"]["device"] == str(device)
    return file


async def invoked(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["modem", "doctor", *arguments])


@asynccontextmanager
async def daemon(run_dir: Path, rows: list[dict[str, Any]]) -> AsyncIterator[None]:
    """The daemon's door, behind which one question is answered."""

    async def modem(_question: dict[str, Any]) -> dict[str, Any]:
        return {"modems": rows}

    control = Control(run_dir)
    control.offer({"modem": modem})
    task = asyncio.create_task(control.run())
    await control.listening.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_a_daemon_the_modem_itself_is_examined(tmp_path: Path) -> None:
    """The doctor would be of no use before the first start, when it is needed most."""
    with playing({**MODEM, "AT+CSCA?": '+CSCA: "",129\r\nOK'}) as players:
        file = configured(tmp_path, players[0].path)
        done = await invoked("--config", str(file), "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["ok"], told["source"]) == (1, False, "modem")
    assert "smsc" in [finding["step"] for finding in told["findings"] if finding["ok"] is False]


async def test_a_running_daemon_keeps_its_modem_to_itself(tmp_path: Path) -> None:
    """The doctor would break into a conversation, or say no more than that the port is held."""
    row = {"name": "modem", "state": "silent", "device": "/dev/ttyUSB0", "reason": "silent at AT", "rung": "cfun"}
    with playing(MODEM) as players:
        file = configured(tmp_path, players[0].path)
        async with daemon(tmp_path / "run", [row]):
            done = await invoked("--config", str(file))
        assert players[0].heard == []
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "silent at AT: the daemon is at it (rung cfun); else replug it"


async def test_a_daemon_that_does_not_tell_is_not_fought_with(tmp_path: Path) -> None:
    """While the daemon starts, the doctor would take the modem away from it."""
    with playing(MODEM) as players:
        file = configured(tmp_path, players[0].path)
        control = Control(tmp_path / "run")
        task = asyncio.create_task(control.run())
        await control.listening.wait()
        done = await invoked("--config", str(file))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert players[0].heard == []
    assert done.exit_code == 1
    assert "the daemon runs and holds the modem, but does not tell of it" in done.stderr


async def test_a_configuration_without_a_modem_is_said_so(tmp_path: Path) -> None:
    """An office without SMS would get a traceback."""
    file = configured(tmp_path, "/dev/absent")
    text = file.read_text()
    start = text.index("[modem]")
    end = text.find("\n[", start)
    file.write_text(text[:start] + (text[end + 1 :] if end >= 0 else ""))
    done = await invoked("--config", str(file))
    assert done.exit_code == 1
    assert "has no [modem]" in done.stderr
