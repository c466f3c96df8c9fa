from __future__ import annotations

import pytest

from edge.modem.conversation import initialise, models
from edge.modem.conversation.ladder import Rung
from edge.modem.conversation.models import Model
from edge.modem.conversation.procedures import Ways
from edge.modem.outcomes import Identified
from tests.unit.modem.playing import constantly, play


@pytest.mark.parametrize(
    ("offered", "storage", "command"),
    [
        ('+CPMS: ("ME","MT","SM","SR"),("ME","SM"),("ME","SM")|OK', "SM", 'AT+CPMS="SM","SM","SM"'),
        ('+CPMS: ("ME"),("ME","SM"),("ME")|OK', "ME", 'AT+CPMS="ME","ME","ME"'),
        ('+CPMS: ("SM"),("SM")|OK', "SM", 'AT+CPMS="SM","SM"'),
        ("ERROR", "SM", 'AT+CPMS="SM","SM","SM"'),
        ("+CPMS: rubbish|OK", "SM", 'AT+CPMS="SM","SM","SM"'),
    ],
)
def test_the_storage_all_three_can_share(offered: str, storage: str, command: str) -> None:
    """Messages would arrive in one storage and be looked for in another."""
    ways = Ways()
    _, commands = play(initialise.choose_storage(ways), lambda line: offered if line.endswith("?") else "OK")
    assert (ways.storage, commands[-1]) == (storage, command)


@pytest.mark.parametrize("whole", [0, 1])
def test_a_misheard_offer_does_not_hide_the_sim(whole: int) -> None:
    """A damaged answer would make the daemon look into the modem's memory while SMS come to the SIM."""
    offers = ['+CPMS: ("ME","SX"),("ME","SM"),("ME","SM")|OK'] * 2
    offers[whole] = '+CPMS: ("ME","SM"),("ME","SM"),("ME","SM")|OK'
    ways, heard = Ways(), iter(offers)
    play(initialise.choose_storage(ways), lambda line: next(heard) if line.endswith("?") else "OK")
    assert ways.storage == "SM"


def test_the_capacity_is_the_modems_own_figure() -> None:
    """A full SIM would not be known as full."""
    ways = Ways(model=models.named("quectel"))
    answers = {
        "AT+CPMS=?": '+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")|OK',
        'AT+CPMS="ME","ME","ME"': "+CPMS: 3,255,3,255,3,255|OK",
    }
    play(initialise.choose_storage(ways), lambda line: answers[line])
    assert (ways.storage, ways.capacity) == ("ME", 255)


def test_a_modem_with_fewer_storages_than_it_says_is_pointed_all_the_same() -> None:
    """A modem that refuses three storages would read one and receive into another."""
    ways = Ways()
    offered = '+CPMS: ("SM"),("SM"),("SM")|OK'
    _, commands = play(
        initialise.choose_storage(ways),
        lambda line: offered if line.endswith("?") else "ERROR" if line.count("SM") == 3 else "OK",
    )
    assert commands[-1] == 'AT+CPMS="SM","SM"'


OFFERS = [
    # offered, wanted with reports, on a noisy line, without reports
    ("+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)|OK", "2,1,0,1,0", "2,1,0,2,0", "2,1,0,0,0"),
    ("+CNMI: (0,1,2),(0,1),(0),(0,2),(0)|OK", "2,1,0,2,0", "2,1,0,2,0", "2,1,0,0,0"),
    ("+CNMI: (1),(1),(0),(0),(1)|OK", "1,1,0,0,1", "1,1,0,0,1", "1,1,0,0,1"),
    ("+CNMI: (3),(0-1),(0),(0,1),(0,1)|OK", "3,1,0,1,0", "3,1,0,1,0", "3,1,0,0,0"),
    ("ERROR", "2,1,0,1,0", "2,1,0,2,0", "2,1,0,0,0"),
    ("+CNMI: (0|OK", "2,1,0,1,0", "2,1,0,2,0", "2,1,0,0,0"),
]


@pytest.mark.parametrize(("offered", "wanted", "noisy", "without"), OFFERS)
def test_the_best_indications(offered: str, wanted: str, noisy: str, without: str) -> None:
    """A modem would refuse the setting and never announce a message."""
    for ways, on_noise, chosen in (
        (Ways(), False, wanted),
        (Ways(), True, noisy),
        (Ways(reports=False), False, without),
    ):
        play(initialise.choose_indications(ways, noisy=on_noise), constantly(offered))
        assert ways.indications == chosen
        assert ways.reports_apart == (chosen.split(",")[3] == "2")


def test_refused_indications_fall_back() -> None:
    """A modem with few abilities would announce nothing."""
    _, commands = play(initialise.assert_mode(Ways()), lambda line: "ERROR" if line == "AT+CNMI=2,1,0,1,0" else "OK")
    assert "AT+CNMI=1,1" in commands


@pytest.mark.parametrize(
    ("offered", "keeps_link"), [("+CMMS: (0-2)|OK", 2), ("+CMMS: (0,1)|OK", 1), ("ERROR", 0), ("+CMMS: (0)|OK", 0)]
)
def test_how_the_radio_link_is_kept(offered: str, keeps_link: int) -> None:
    """Each part of a long message would wait for a new radio link, or a modem that cannot would be asked for ever."""
    ways = Ways()
    play(initialise.choose_keeping(ways), constantly(offered))
    assert ways.keeps_link == keeps_link


def test_who_the_modem_is() -> None:
    """The operator would look for a modem that calls itself something else."""
    answers = {
        "AT+CGMI": "+CGMI: huawei|OK",
        "AT+CGMM": "E173|OK",
        "AT+CGMR": "ERROR",
        "AT+CGSN": '+CGSN: "350000000000006"|OK',
    }
    ways = Ways()
    play(initialise.recognise(ways), lambda line: answers[line])
    identified, _ = play(initialise.identify(ways), lambda line: answers[line])
    assert identified == Identified("huawei", "E173", "", "350000000000006", "huawei-stick")


@pytest.mark.parametrize(
    ("model", "rung", "commands"),
    [
        (models.named("sim800"), "cfun", ["AT+CFUN=0", "AT+CFUN=1"]),
        (models.named("sim800"), "model-reset", ["AT+CFUN=1,1", "AT", "ATE0", "AT+CMEE=1"]),
        (models.named("huawei-stick"), "model-reset", []),
        (models.named("zte"), "cfun", []),
        (models.GENERIC, "usb-reset", []),
        (models.GENERIC, "", []),
    ],
)
def test_a_reset_is_what_the_model_bears(model: Model, rung: Rung, commands: list[str]) -> None:
    """A stick would be turned into a disk, or a rung of the ladder do nothing where it could help."""
    assert play(initialise.reset(rung, Ways(model=model)), constantly("OK"))[1] == commands


@pytest.mark.parametrize(("state", "woken"), [("0", True), ("4", True), ("1", False), ("5", False)])
def test_a_radio_that_is_off_is_switched_on(state: str, woken: bool) -> None:
    """A modem left in flight mode would search for ever."""
    _, commands = play(initialise.wake_radio(Ways()), lambda line: f"+CFUN: {state}|OK" if line.endswith("?") else "OK")
    assert ("AT+CFUN=1" in commands) is woken
