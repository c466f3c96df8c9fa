"""The modem is found by path, USB ids or IMEI, whatever number the kernel gives its lines; lines are real ptys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge.config import Modem
from edge.modem.device.find import Absent, Finder, Found
from tests.contract.at_player import MODEM, AtPlayer, playing
from tests.contract.usb_tree import ETHERNET_KIND, STORAGE_KIND, UsbTree

MUTE: Mapping[str, str] = {}
OTHER = {**MODEM, "AT+CGSN": "359999999999994\r\nOK"}
E173 = "12d1:1001"


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path)


def finder(tree: UsbTree, device: str) -> Finder:
    return Finder(Modem(device=device), tree.places)


def lines(players: list[AtPlayer], first: int = 0) -> dict[int, tuple[str, Path]]:
    return {number: (f"ttyUSB{first + number}", player.path) for number, player in enumerate(players)}


async def name_of(finder: Finder) -> str:
    found = await finder.find()
    finder.worked(found)
    return Path(found.device).name


async def test_a_by_id_path_is_taken_as_it_is(tree: UsbTree) -> None:
    """The device that the engineer named would be passed over."""
    with playing(MODEM) as players:
        tree.plug("1-1", E173, lines=lines(players))
        found = await finder(tree, tree.by_id(E173)).find()
        assert found.device == tree.by_id(E173)
        assert found.tty is not None
        assert found.tty.usb.id == E173


async def test_a_path_without_usb_behind_it_is_taken_too(tree: UsbTree) -> None:
    """A modem on the board's own serial port, and a simulated one, would be refused."""
    with playing(MODEM) as players:
        assert await finder(tree, str(players[0].path)).find() == Found(str(players[0].path))


async def test_a_renumbered_stick_is_found_under_its_new_name(tree: UsbTree) -> None:
    """ttyUSB0 that comes back as ttyUSB4 would be waited for until somebody drives there."""
    with playing(MODEM, MUTE) as players:
        tree.plug("1-1", E173, lines=lines(players), serial="S1")
        looking = finder(tree, str(tree.places.dev / "ttyUSB0"))
        assert await name_of(looking) == "ttyUSB0"
        tree.unplug("1-1")
        with pytest.raises(Absent, match="ttyUSB0 does not exist: plug the modem in"):
            await looking.find()
        tree.plug("1-3", E173, lines=lines(players, 4), serial="S1")
        assert await name_of(looking) == "ttyUSB4"


async def test_another_stick_under_the_old_name_is_not_taken_for_the_modem(tree: UsbTree) -> None:
    """After two sticks were plugged in again in another order, the daemon would send by the wrong SIM."""
    with playing(MODEM, OTHER) as (ours, theirs):
        tree.plug("1-1", E173, lines=lines([ours]), serial="OURS")
        looking = finder(tree, str(tree.places.dev / "ttyUSB0"))
        assert await name_of(looking) == "ttyUSB0"
        tree.unplug("1-1")
        tree.plug("1-2", E173, lines=lines([theirs]), serial="THEIRS")
        tree.plug("1-1", E173, lines=lines([ours], 1), serial="OURS")
        assert await name_of(looking) == "ttyUSB1"


async def test_an_exchanged_stick_is_taken_where_ours_is_gone(tree: UsbTree) -> None:
    """A new stick of another kind in the broken one's place would never be used."""
    with playing(MODEM, OTHER) as (ours, theirs):
        tree.plug("1-1", E173, lines=lines([ours]))
        looking = finder(tree, str(tree.places.dev / "ttyUSB0"))
        assert await name_of(looking) == "ttyUSB0"
        tree.unplug("1-1")
        tree.plug("1-1", "19d2:0117", lines=lines([theirs]))
        assert await name_of(looking) == "ttyUSB0"


async def test_the_line_that_answers_at_is_found_among_several(tree: UsbTree) -> None:
    """The diagnosis port would be opened, which never answers."""
    with playing(MODEM, MUTE) as players:
        tree.plug("1-1", E173, lines=lines(players))
        looking = finder(tree, f"usb:{E173}")
        assert await name_of(looking) == "ttyUSB0"
        heard = len(players[0].heard)
        assert await name_of(looking) == "ttyUSB0"
        assert len(players[0].heard) == heard  # remembered: a hang of the modem must not send it to another line


async def test_a_serial_number_tells_twins_apart(tree: UsbTree) -> None:
    """Of two sticks of one kind the wrong one would be used."""
    with playing(MODEM, MODEM) as (one, two):
        tree.plug("1-1", E173, lines=lines([one]), serial="A")
        tree.plug("1-2", E173, lines=lines([two], 1), serial="B")
        assert await name_of(finder(tree, f"usb:{E173.upper()}:B")) == "ttyUSB1"
        with pytest.raises(Absent, match=f"no modem {E173}:C is plugged in; correct .* there is usb:{E173}"):
            await finder(tree, f"usb:{E173}:C").find()


async def test_a_stick_that_answers_nowhere_is_found_all_the_same(tree: UsbTree) -> None:
    """A stick that has hung itself up could not be reset, since nobody would know where it is."""
    with playing(MUTE, MUTE) as players:
        tree.plug("1-1", E173, lines=lines(players))
        found = await finder(tree, f"usb:{E173}").find()
        assert found.tty is not None
        assert found.tty.usb.port == "1-1"


async def test_an_imei_finds_its_modem_among_others(tree: UsbTree) -> None:
    """Two sticks without serial numbers could not be told apart when they change places."""
    with playing(OTHER, MODEM) as (other, ours):
        tree.plug("1-1", E173, lines=lines([other]))
        tree.plug("1-2", E173, lines=lines([ours], 1))
        looking = finder(tree, "imei:861234567890120")  # some modems tell a version where the check digit stands
        assert await name_of(looking) == "ttyUSB1"
        ours.answers.clear()
        assert await name_of(looking) == "ttyUSB1"  # silent, but it was the one
        ours.answers.update(OTHER)
        with pytest.raises(Absent, match="no modem with the IMEI that ends in 0120 answers"):
            await looking.find()


async def test_the_search_by_imei_leaves_alone_what_others_hold(tree: UsbTree) -> None:
    """Another program's modem would be disturbed at every look."""
    with playing(OTHER, MODEM) as (theirs, ours):
        tree.plug("1-1", E173, lines=lines([theirs]))
        tree.plug("1-2", E173, lines=lines([ours], 1))
        tree.run(os.getppid(), "gammu-smsd", str(tree.places.dev / "ttyUSB0"))
        (tree.places.locks / "LCK..ttyUSB0").write_text(f"{os.getppid():10d}\n")
        assert await name_of(finder(tree, "imei:861234567890123")) == "ttyUSB1"
        assert theirs.heard == []


async def test_the_search_by_imei_asks_no_other_kind_of_device(tree: UsbTree) -> None:
    """AT commands would be written to whatever instrument hangs on a serial adapter."""
    with playing(MODEM) as (instrument,):
        tree.plug("1-1", "0403:6001", lines=lines([instrument]))
        with pytest.raises(Absent, match="no modem with the IMEI"):
            await finder(tree, "imei:861234567890123").find()
        assert instrument.heard == []


@pytest.mark.parametrize(
    ("ids", "others", "sentence", "kind"),
    [
        ("12d1:14db", (ETHERNET_KIND, STORAGE_KIND), "is in HiLink mode: a router with a web page", "hilink"),
        ("12d1:1f01", (STORAGE_KIND,), "install usb-modeswitch and plug it in again", "missing"),
    ],
)
@pytest.mark.parametrize("device", ["/dev/serial/by-id/absent", "usb:12d1:1001", "imei:861234567890123"])
async def test_a_stick_in_the_wrong_mode_is_explained(
    tree: UsbTree, device: str, ids: str, others: tuple[str, ...], sentence: str, kind: str
) -> None:
    """A village would wait for a modem that can never have an AT port."""
    tree.plug("1-1", ids, others=others)
    with pytest.raises(Absent, match=sentence) as told:
        await finder(tree, device).find()
    assert told.value.kind == kind


async def test_coming_and_going_changes_the_sign(tree: UsbTree) -> None:
    """A stick that is plugged in would be noticed only at the next slow look."""
    looking = finder(tree, f"usb:{E173}")
    before = looking.sign()
    with playing(MODEM) as players:
        tree.plug("1-1", E173, lines=lines(players))
        assert looking.sign() != before
        tree.unplug("1-1")
        assert looking.sign() == before
