"""The whole daemon as a process: starts, refusals, reloads, absences, stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edge.control import NotRunning, ask
from edge.instance import CRASHES_TO_SAFE
from tests.office import Office, until

PERSON = {"letter": "SKTM", "nik": "3510135707039905", "name": "DWI LESTARI", "purpose": "beasiswa"}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Office(tmp_path) as office:
        yield office


def edit(office: Office, old: str, new: str) -> None:
    text = office.config.read_text(encoding="utf-8")
    assert old in text
    office.config.write_text(text.replace(old, new), encoding="utf-8")


async def conditions(office: Office) -> set[str]:
    status, health = await office.ask("GET", "/healthz")
    return {raised["code"] for raised in health["conditions"]} if status == 200 else set()


async def holds(office: Office, code: str) -> bool:
    return code in await conditions(office)


async def ended(office: Office) -> tuple[int, str]:
    """The exit code and the log of a daemon that should refuse to start."""
    process = await office.daemon()
    code = await asyncio.wait_for(process.wait(), 60)
    return code, office.log.read_text(encoding="utf-8")


async def test_it_says_ready_feeds_the_watchdog_and_says_goodbye(office: Office, tmp_path: Path) -> None:
    """systemd would kill a daemon that is silent on its notify socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        heard: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_reader(manager, lambda: heard.append(manager.recv(4096).decode()))

        async def hears(words: str) -> bool:
            return any(words in message for message in heard)

        async with office.running(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000"):
            await until(lambda: hears("READY=1"), what="READY")
            await until(lambda: hears("WATCHDOG=1"), what="WATCHDOG")
            await until(lambda: hears("STATUS=clock-untrusted; device-missing"), what="STATUS")
        await until(lambda: hears("STOPPING=1"), what="STOPPING")
        loop.remove_reader(manager)


async def test_a_second_daemon_is_refused_in_one_sentence(office: Office) -> None:
    """Two daemons would fight over the modem and the routes."""
    async with office.running() as first:
        code, log = await ended(office)
        assert code == 4
        assert f"process {first.pid} already runs in {office.directory / 'run'}; stop it first" in log
        assert (await office.ask("GET", "/healthz"))[0] == 200


@pytest.fixture(params=["size=4k", "nr_inodes=2"])
def full_run(request: pytest.FixtureRequest, office: Office) -> Iterator[Path]:
    """The office's run_dir without room for one more byte, or for one more file; its filler."""
    directory = office.directory / "run"
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(directory)], check=True)
    filler = directory / "filler"
    filler.write_bytes(b"x" * 4_096)
    yield filler
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def test_a_full_run_directory_does_not_keep_the_network_down(office: Office, full_run: Path) -> None:
    """A log that fills /run would take the village off the network at the next restart."""
    async with office.running():
        assert (await office.ask("POST", "/v1/requests", PERSON, key="one"))[0] == 202
        code, log = await ended(office)
        assert code == 4, "there is one daemon all the same"
        assert log.count("is full: the daemon starts all the same, but nobody counts its crashes") == 1
        await asyncio.to_thread(full_run.unlink)

        async def answers() -> bool:
            try:
                return "uplinks" in await asyncio.to_thread(ask, full_run.parent, {"ask": "uplink"})
            except NotRunning:
                return False

        await until(answers, what="commands reach it once there is room")
        log = office.log.read_text(encoding="utf-8")
        assert "Traceback" not in log
        assert "crashed" not in log


async def test_a_wrong_configuration_names_every_mistake_and_ends_with_2(office: Office) -> None:
    """An operator who corrects one mistake at a time drives to the village twice."""
    edit(office, "download_mbit = 10", "download_mbit = -1\ncolour = 3")
    code, log = await ended(office)
    assert code == 2
    assert "uplink[1].download_mbit" in log
    assert "uplink[1].colour" in log
    assert "Traceback" not in log


async def test_missing_secrets_name_the_command_that_makes_them(office: Office) -> None:
    """Without the key the store cannot be read, and a new key would hide every old request."""
    (office.directory / "secrets" / "store-key").unlink()
    code, log = await ended(office)
    assert code == 2
    assert "store-key: missing; make it with `kampung-edge keys" in log


async def test_a_reload_takes_a_good_file_and_refuses_a_wrong_one(office: Office) -> None:
    """A typing mistake in the configuration must not take a running village offline."""

    async def logged(words: str) -> bool:
        return words in office.log.read_text(encoding="utf-8")

    async with office.running() as daemon:
        edit(office, 'name = "Sumberberas"', 'name = "S"')
        daemon.send_signal(signal.SIGHUP)
        await until(lambda: logged("reload refused"), what="the refusal")
        assert (await office.ask("GET", "/"))[1].count("Sumberberas")
        edit(office, 'name = "S"', 'name = "Kedungrejo"')
        daemon.send_signal(signal.SIGHUP)

        async def renamed() -> bool:
            status, page = await office.ask("GET", "/")
            return status == 200 and "Kedungrejo" in page

        await until(renamed, what="the new name on the page")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("/ttyGSM", "/ttyAbsent", "modem-missing"),
        ("localhost:PORTAL", "localhost:1", "upstream-unreachable"),
        ("/portal/ca.pem", "/portal/absent.pem", "upstream-unreachable"),
    ],
)
async def test_an_absent_part_degrades_only_itself(office: Office, old: str, new: str, code: str) -> None:
    """A pulled cable must not keep the desk from filing."""
    edit(office, old.replace("PORTAL", str(office.portal)), new)
    async with office.running():
        assert (await office.ask("POST", "/v1/requests", PERSON, key="one"))[0] == 202
        await until(lambda: holds(office, code), within_s=100, what=code)
        assert (await office.ask("GET", "/"))[0] == 200


async def test_no_privilege_is_said_and_everything_else_runs(office: Office) -> None:
    """Started by hand by an ordinary user, it must say what is missing instead of dying."""
    edit(office, 'mode = "beside"', 'mode = "router"')
    edit(office, 'device = "absent0"', 'device = "lo"')
    async with office.running(without_privilege=True):
        await until(lambda: holds(office, "network-privilege"), what="network-privilege")
        await until(lambda: holds(office, "probe-privilege"), what="probe-privilege")
        assert (await office.ask("POST", "/v1/requests", PERSON, key="one"))[0] == 202


async def test_garbage_on_the_serial_line_harms_nothing(office: Office) -> None:
    """A loose cable sends noise; the next SMS must be read all the same."""
    async with office.running():
        await office.tell("gsm", "fault", name="garbage", value=True)
        await office.tell("gsm", "deliver", sender="+6281330000001", text="SKTM 3510064508909902 SITI AMINAH")
        await until(lambda: office.sent("+6281330000001"), within_s=100, what="the reply")
        assert (await office.ask("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize("mode", ["html200", "409", "422", "500", "401", "silent"])
async def test_a_portal_that_misbehaves_loses_nothing(office: Office, mode: str) -> None:
    """A captive portal's page or a full server must not swallow a citizen's request."""
    await office.tell("portal", "mode", mode=mode)
    async with office.running():
        status, accepted = await office.ask("POST", "/v1/requests", PERSON, key="one")
        assert status == 202

        async def asked() -> int:
            return sum((await office.tell("portal", "calls"))["calls"].values())

        await until(asked, what="the portal is asked")
        status, kept = await office.ask("GET", f"/v1/requests/{accepted['id']}")
        assert (status, kept["state"]) == (200, "received")


async def test_the_start_after_three_kills_is_safe(office: Office) -> None:
    """A crash loop must end with guests denied and the last routes standing, not with a dead box."""
    for _ in range(CRASHES_TO_SAFE):
        daemon = await office.daemon()
        await until(office.healthy, what="the daemon answers")
        daemon.kill()
        await daemon.wait()
    async with office.running():
        await until(lambda: holds(office, "safe-mode"), what="safe-mode")


async def test_safe_mode_ends_when_all_is_well_whatever_the_file_says_meanwhile(office: Office) -> None:
    """Guests would stay denied for ever because somebody left the configuration half edited."""
    (office.directory / "run").mkdir()
    (office.directory / "run" / "unclean-starts").write_text(f"{CRASHES_TO_SAFE}\n")
    daemon = await office.daemon(settled_s=3)
    await until(lambda: holds(office, "safe-mode"), what="safe-mode")
    edit(office, "download_mbit = 10", "download_mbit = -1")

    async def over() -> bool:
        return await office.healthy() and not await holds(office, "safe-mode")

    await until(over, what="the end of safe mode")
    daemon.terminate()
    assert await asyncio.wait_for(daemon.wait(), 60) == 0


async def test_a_store_that_cannot_be_opened_leaves_the_network_steered(office: Office) -> None:
    """A card that went read-only would take the village's internet with it."""
    state = office.directory / "state"
    state.rmdir()
    state.touch()

    async def logged(words: str) -> bool:
        return words in office.log.read_text(encoding="utf-8")

    daemon = await office.daemon()
    await until(lambda: logged("store-unavailable"), what="the condition")
    await until(lambda: logged("uplink pde is down"), what="a verdict")
    state.unlink()
    state.mkdir()
    await until(office.healthy, what="the pages")
    daemon.terminate()
    assert await asyncio.wait_for(daemon.wait(), 60) == 0


async def test_a_damaged_store_is_set_aside_and_said(office: Office) -> None:
    """A broken card must not keep the office from taking new requests."""
    async with office.running():
        assert (await office.ask("POST", "/v1/requests", PERSON, key="one"))[0] == 202
    database = office.directory / "state" / "kampung-edge.db"
    with database.open("r+b") as file:
        file.seek(0)
        file.write(os.urandom(8192))
    async with office.running():
        assert await holds(office, "store-corrupt")
        assert (await office.ask("POST", "/v1/requests", PERSON, key="two"))[0] == 202
    assert list(database.parent.glob("*.corrupt*"))
