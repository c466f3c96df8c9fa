"""`kampung-edge apply` and `kampung-edge confirm` against the real daemon, as an engineer types them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.test_daemon import edit
from tests.office import Office, until


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Office(tmp_path) as office:
        yield office


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


async def type_(office: Office, *words: str) -> Said:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", *words, "--config", str(office.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def shows(office: Office, name: str) -> bool:
    status, page = await office.ask("GET", "/")
    return status == 200 and name in page


async def conditions(office: Office) -> dict[str, str]:
    status, health = await office.ask("GET", "/healthz")
    return {held["code"]: held["detail"] for held in health["conditions"]} if status == 200 else {}


async def holds(office: Office, code: str) -> bool:
    return code in await conditions(office)


async def test_a_trial_is_confirmed_and_outlives_a_restart(office: Office) -> None:
    """What was confirmed would be undone after all."""
    async with office.running():
        edit(office, '"Sumberberas"', '"Kedungrejo"')
        said = await type_(office, "apply", "--confirm", "2m")
        assert said.code == 0, said
        assert said.out.startswith("on trial for 2 m, until ")
        assert said.out.endswith("if everything works: kampung-edge confirm\n")
        await until(lambda: shows(office, "Kedungrejo"), what="the tried name")
        assert "unless confirmed" in (await conditions(office))["config-trial"]
        said = await type_(office, "confirm")
        assert (said.code, said.out) == (0, "confirmed: the configuration is in force for good\n")
        assert not await holds(office, "config-trial")
    async with office.running():
        assert await shows(office, "Kedungrejo")
        assert not {"config-trial", "config-undone"} & set(await conditions(office))


async def test_a_kill_in_mid_trial_undoes_it_and_the_file_stays_set_aside(office: Office) -> None:
    """A power cut would make an untried configuration the last word."""
    daemon = await office.daemon()
    await until(lambda: shows(office, "Sumberberas"), what="the daemon answers")
    edit(office, '"Sumberberas"', '"Kedungrejo"')
    assert (await type_(office, "apply")).code == 0
    await until(lambda: shows(office, "Kedungrejo"), what="the tried name")
    daemon.kill()
    await daemon.wait()
    daemon = await office.daemon()
    await until(lambda: shows(office, "Sumberberas"), what="the name before")
    await until(lambda: holds(office, "config-undone"), what="the condition")
    daemon.send_signal(signal.SIGHUP)
    await until(lambda: logged(office, "was tried and undone"), what="the refusal of a plain reload")
    edit(office, '"Kedungrejo"', '"Tembokrejo"')
    daemon.send_signal(signal.SIGHUP)
    await until(lambda: shows(office, "Tembokrejo"), what="the corrected name")
    assert not await holds(office, "config-undone")
    daemon.terminate()
    await daemon.wait()
    async with office.running():
        assert await shows(office, "Tembokrejo")


async def logged(office: Office, words: str) -> bool:
    return words in await asyncio.to_thread(office.log.read_text, encoding="utf-8")


async def test_undo_ends_a_trial_at_once(office: Office) -> None:
    """An engineer who sees his mistake would have to wait for the end of the trial."""
    async with office.running():
        edit(office, '"Sumberberas"', '"Kedungrejo"')
        said = json.loads((await type_(office, "apply", "--confirm", "1h", "--json")).out)
        assert {key: said[key] for key in ("changed", "confirm_s", "network")} == {
            "changed": True,
            "confirm_s": 3600.0,
            "network": [],
        }
        await until(lambda: shows(office, "Kedungrejo"), what="the tried name")
        again = await type_(office, "apply")
        assert again.code == 1
        assert "`kampung-edge apply --undo` ends it" in again.err
        assert json.loads((await type_(office, "apply", "--undo", "--json")).out) == {"undone": True}
        at_once = await type_(office, "confirm")  # while the daemon goes from one configuration to the other
        assert (at_once.code, at_once.err) == (1, "error: nothing is on trial: the last one was undone\n")
        await until(lambda: shows(office, "Sumberberas"), what="the name before")


async def test_refusals_are_sentences(office: Office) -> None:
    """An engineer in the field would see a traceback instead of what to do."""
    nobody = await type_(office, "apply")
    assert nobody.code == 1
    assert nobody.err.count("\n") == 1
    assert "start it: systemctl start kampung-edge" in nobody.err
    async with office.running():
        same = await type_(office, "apply")
        assert (same.code, same.out) == (0, "nothing to try: the daemon runs this very configuration\n")
        for span in ("59s", "25h", "soon"):
            short = await type_(office, "apply", "--confirm", span)
            assert short.code == 2
            assert span in short.err
        edit(office, "download_mbit = 10", "download_mbit = -1\ncolour = 3")
        wrong = await type_(office, "apply")
        assert wrong.code == 2
        assert "uplink[1].download_mbit" in wrong.err
        assert "uplink[1].colour" in wrong.err
        assert not await holds(office, "config-trial")


@pytest.mark.parametrize("mistake", ["interval_ms = 1", "not = [ toml"])
async def test_a_file_with_mistakes_keeps_nobody_from_asking_or_going_back(office: Office, mistake: str) -> None:
    """Who breaks the file in mid-trial could neither see the uplinks nor undo the trial."""
    async with office.running():
        edit(office, '"Sumberberas"', '"Kedungrejo"')
        assert (await type_(office, "apply", "--confirm", "2m")).code == 0
        await until(lambda: shows(office, "Kedungrejo"), what="the tried name")
        office.config.write_text(office.config.read_text() + f"\n[monitor]\n{mistake}\n")
        for words in (("uplink", "--json"), ("uplink", "why")):
            said = await type_(office, *words)
            assert said.code == 0, said
            assert said.err.startswith(f"warning: {office.config} has mistakes (kampung-edge check-config ")
        said = await type_(office, "apply", "--undo")
        assert (said.code, said.out) == (0, "undone: the configuration before is in force\n")
        await until(lambda: shows(office, "Sumberberas"), what="the name before the trial")
