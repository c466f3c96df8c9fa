from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.conversation import network
from edge.modem.conversation.procedures import Ways
from edge.modem.outcomes import Network
from tests.unit.modem.playing import constantly, play

SURVEYS = [
    # +CREG, +CEREG, +CGREG, +COPS, +CSQ, what is found
    ("0,1", "", "", '+COPS: 0,0,"Telkomsel",7', "+CSQ: 31,99", Network(1, "Telkomsel", 100, "4G")),
    ('2,5,"1A2B","3C4D"', "", "", '+COPS: 0,0,"XL"', "+CSQ: 0,0", Network(5, "XL", 0)),
    ("1,2", "0,1", "0,0", '+COPS: 0,0,"Tri",7', "+CSQ: 9,99", Network(1, "Tri", 29, "4G")),  # LTE alone
    ("1,0", "", "0,1", '+COPS: 0,0,"Tri",2', "+CSQ: 9,99", Network(1, "Tri", 29, "3G")),
    ("1,6", "", "", '+COPS: 0,0,"Tri",0', "+CSQ: 9,99", Network(6, "Tri", 29, "2G")),  # for SMS only
    ("1,3", "0,0", "0,0", "+COPS: 0", "+CSQ: 99,99", Network(3, "", None)),
    ("1,0", "0,3", "0,0", "+COPS: 0", "+CSQ: 99,99", Network(3, "", None)),
    ("1,0", "0,2", "0,0", "+COPS: 0", "+CSQ: 99,99", Network(2, "", None)),
    ("x", "", "", "+COPS:", "+CSQ: ", Network(0, "", None)),
    ("0,1", "", "", '+COPS: 0,0,"Tri",99', "+CSQ: 50,99", Network(1, "Tri", None)),
]


@pytest.mark.parametrize(("creg", "cereg", "cgreg", "cops", "csq", "found"), SURVEYS)
def test_surveys(creg: str, cereg: str, cgreg: str, cops: str, csq: str, found: Network) -> None:
    """The page would show a wrong network, SMS wait for one that is there, or a strange answer stop the session."""
    answers = {
        "AT+CREG?": f"+CREG: {creg}|OK",
        "AT+CEREG?": f"+CEREG: {cereg}|OK" if cereg else "ERROR",
        "AT+CGREG?": f"+CGREG: {cgreg}|OK" if cgreg else "ERROR",
        "AT+COPS?": f"{cops}|OK",
        "AT+CSQ": f"{csq}|OK",
    }
    network_now, _ = play(network.survey(Ways()), lambda line: answers[line])
    assert network_now == found
    assert network_now.registered == (found.registration in (1, 5, 6))
    assert network_now.denied == (found.registration == 3)


def test_a_modem_that_refuses_every_question_has_no_network() -> None:
    """A modem without a SIM would stop the session."""
    assert play(network.survey(Ways()), constantly("+CME ERROR: 13"))[0] == Network(0, "", None)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ('+CSCA: "+6281100000",145|OK', "+6281100000"),
        ('+CSCA: "",129|OK', ""),
        ('+CSCA: "?",129|OK', ""),
        ("+CMS ERROR: 330|OK", None),
        ("ERROR", None),
    ],
)
def test_the_service_centre(answer: str, number: str | None) -> None:
    """A SIM that lost its service centre would send nothing, and nobody would know why."""
    assert play(network.centre(Ways()), constantly(answer))[0] == number


@pytest.mark.parametrize(("number", "kind"), [("+6281100000", 145), ("081100000", 129)])
def test_a_service_centre_is_written_and_read_back(number: str, kind: int) -> None:
    """A centre that the SIM did not take would be believed restored."""
    there, commands = play(
        network.restore_centre(number, Ways()),
        lambda line: f'+CSCA: "{number}",{kind}|OK' if line.endswith("?") else "OK",
    )
    assert commands[0] == f'AT+CSCA="{number}",{kind}'
    assert there
    assert not play(network.restore_centre(number, Ways()), constantly("ERROR"))[0]


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ('"26/11/22,14:03:05+28"', "2026-11-22T14:03:05+07:00"),
        ("26/11/22,14:03:05-14", "2026-11-22T14:03:05-03:30"),
        ('"80/01/06,00:00:12+00"', ""),  # the modem's own clock, never set
        ('"04/01/01,00:00:15+00"', ""),
        ('"26/13/22,14:03:05+28"', ""),
        ('"26/02/30,14:03:05+28"', ""),
        ('"26/11/22,14:03:05+99"', ""),
        ('"26/11/22,14:03:05"', ""),  # without a zone it may be any hour
        ("", ""),
    ],
)
def test_the_networks_time(written: str, iso: str) -> None:
    """A clock that no network ever set would be taken for a hint."""
    assert network.read_moment(written) == iso


@given(st.text(alphabet='0123456789/,:+-"', max_size=26))
def test_every_time_that_is_told_is_one(written: str) -> None:
    """A strange time would stop whoever reads the event."""
    if iso := network.read_moment(written):
        assert datetime.fromisoformat(iso).utcoffset() is not None
