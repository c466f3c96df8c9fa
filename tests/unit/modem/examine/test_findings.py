"""What the steps of an examination mean, and the sentence at the end."""

from typing import Any

import pytest

from edge.modem.at import Answer, Command
from edge.modem.examine import findings
from edge.modem.examine.findings import Finding, of_daemon, verdict
from edge.modem.status import ModemStatus
from edge.queue.store.mail import Figures
from edge.sms.standing import Standing


def answer(line: str, prefix: str, final: str = "OK") -> Answer:
    return Answer(Command(f"AT{prefix}", 5, prefix), (line,) if line else (), final)


def state(value: str, final: str = "OK") -> Answer:
    return answer(f"+CPIN: {value}" if value else "", "+CPIN:", final)


def attempts(left: int) -> Answer:
    return answer(f"+CPINR: SIM PIN,{left},3", "+CPINR:")


@pytest.mark.parametrize(
    ("told", "left", "pin_given", "ok", "sentence"),
    [
        (state("READY"), 3, False, True, "the SIM is ready"),
        (state("SIM PIN"), 3, True, None, "the daemon gives it the one of sim-pin, once; nothing is tried"),
        (state("", "+CME ERROR: 11"), 3, True, None, "asks for its PIN"),
        (state("SIM PIN"), 3, False, False, "the credential sim-pin is missing"),
        (state("SIM PIN"), 2, True, False, "only 2 attempts are left; none is made by itself"),
        (state("SIM PUK"), 0, True, False, "blocked and asks for its PUK"),
        (state("", "+CME ERROR: 10"), 3, True, False, "SIM"),
        (state("PH-NET PIN"), 3, True, False, "the SIM asks for PH-NET PIN"),
        (state("", "TIMED OUT"), 3, True, False, "does not tell how the SIM is (TIMED OUT)"),
    ],
)
def test_sim(told: Answer, left: int, pin_given: bool, ok: bool | None, sentence: str) -> None:
    """An engineer would try a PIN until the SIM is blocked, or look for a card that is there."""
    finding = findings.sim(told, attempts(left), pin_given=pin_given)
    assert finding.ok is ok
    assert sentence in finding.sentence
    assert bool(finding.remedy) is (ok is False)


def test_a_modem_that_counts_no_attempts_is_no_reason_to_hold_back() -> None:
    """A modem without +CPINR would never be called usable."""
    told = findings.sim(state("SIM PIN"), answer("", "+CPINR:", "ERROR"), pin_given=True)
    assert told.ok is None


@pytest.mark.parametrize(
    ("line", "ok", "sentence"),
    [
        ("+CSQ: 18,99", True, "58% (-77 dBm)"),
        ("+CSQ: 4,0", False, "too weak"),
        ("+CSQ: 99,99", False, "hears no network"),
        ("", False, "hears no network"),
    ],
)
def test_signal(line: str, ok: bool, sentence: str) -> None:
    """A modem in a dead corner would be called well."""
    finding = findings.signal(answer(line, "+CSQ:"))
    assert (finding.ok, sentence in finding.sentence) == (ok, True)


def test_a_modem_that_never_knows_its_signal_is_no_dead_corner() -> None:
    """An engineer would move the antenna of an LTE modem that is registered and well."""
    assert findings.signal(answer("+CSQ: 99,99", "+CSQ:"), registered=True).ok is None
    assert findings.signal(answer("+CSQ: 4,0", "+CSQ:"), registered=True).ok is False


@pytest.mark.parametrize(
    ("states", "ok", "sentence"),
    [
        ((1, 0, 0), True, "the SIM is registered with TSEL"),
        ((0, 0, 5), True, "the SIM is registered"),  # LTE alone
        ((3, 0, 0), False, "the network refuses this SIM"),
        ((2, 4, 0), False, "searches a network"),
        ((0, 0, 0), False, "does not search"),
    ],
)
def test_network(states: tuple[int, ...], ok: bool, sentence: str) -> None:
    """A blocked SIM would be sought at the antenna."""
    names = ("+CREG:", "+CGREG:", "+CEREG:")
    answers = [answer(f"{name} 0,{state}", name) for name, state in zip(names, states, strict=True)]
    finding = findings.network(answers, answer('+COPS: 0,0,"TSEL",7', "+COPS:"))
    assert (finding.ok, sentence in finding.sentence) == (ok, True)


@pytest.mark.parametrize(
    ("line", "wanted", "ok", "sentence"),
    [
        ('+CSCA: "+6281100000",145', "", True, "the service centre is +6281100000"),
        ('+CSCA: "6281100000",129', "+6281100000", True, "the service centre is"),
        ('+CSCA: "",129', "", False, "no service centre"),
        ('+CSCA: "",129', "+6281100000", None, "is missing; the daemon puts it back"),
        ('+CSCA: "+62999",145', "+6281100000", None, "is +62999, not the one of modem.smsc"),
    ],
)
def test_centre(line: str, wanted: str, ok: bool | None, sentence: str) -> None:
    """A lost service centre keeps every SMS back, and nothing else shows it."""
    finding = findings.centre(answer(line, "+CSCA:"), wanted)
    assert (finding.ok, sentence in finding.sentence) == (ok, True)


@pytest.mark.parametrize(
    ("line", "ok", "sentence"),
    [
        ('+CPMS: "SM",1,20,"SM",1,20,"SM",1,20', True, "SM holds 1 of 20"),
        ('+CPMS: "ME",3,100,"ME",3,100,"SM",20,20', False, "SM is full"),
        ("", None, "does not tell"),
    ],
)
def test_storage(line: str, ok: bool | None, sentence: str) -> None:
    """A full SIM takes no SMS, and says so to nobody."""
    finding = findings.storage(answer(line, "+CPMS:"))
    assert (finding.ok, sentence in finding.sentence) == (ok, True)


@pytest.mark.parametrize(
    ("rp", "expires", "ok", "sentence"),
    [
        (12_345, "2027-01-31", True, "Rp 12345, valid until 2027-01-31"),
        (500, None, False, "Rp 500"),
        (None, None, None, "no balance that can be read"),
    ],
)
def test_credit(rp: int | None, expires: str | None, ok: bool | None, sentence: str) -> None:
    """An empty SIM would be looked for at the antenna, or an unread answer taken for an empty one."""
    finding = findings.credit(rp, expires, 10_000)
    assert (finding.ok, sentence in finding.sentence) == (ok, True)


def test_the_verdict_names_the_first_thing_that_is_wrong() -> None:
    """The engineer would mend the last symptom instead of the cause."""
    first = Finding("device", False, "no modem is plugged in", "plug it in")
    assert verdict([Finding("rivals", True, "x"), first, Finding("sim", False, "y")]) == (
        "no modem is plugged in: plug it in"
    )
    assert verdict([Finding("sim", None, "x"), Finding("signal", True, "y")]) == (
        "nothing wrong was found; not examined: sim"
    )
    assert verdict([Finding("signal", True, "y")]) == "the modem is well: it can send and receive SMS"


WELL: dict[str, Any] = {
    "name": "modem",
    "state": "ready",
    "able": True,
    "conclusion": "It sends and receives.",
    "device": "/dev/ttyUSB2",
    "manufacturer": "huawei",
    "model": "E173",
    "firmware": "11.126",
    "signal": 58,
    "registered": True,
    "operator": "TELKOMSEL",
    "smsc": "+6281100000",
    "sim_used": 1,
    "sim_capacity": 20,
    "balance_rp": 25_000,
    "expires": None,
    "rung": "",
    "reason": "",
}


@pytest.mark.parametrize(
    ("changes", "step", "sentence"),
    [
        ({"state": "missing", "reason": "/dev/x does not exist"}, "device", "/dev/x does not exist"),
        ({"state": "silent", "reason": "silent at AT", "rung": "cfun"}, "modem", "silent at AT: the daemon is at it"),
        ({"state": "sim", "conclusion": "The SIM needs a person"}, "sim", "The SIM needs a person"),
        ({"state": "denied", "registered": False}, "network", "the network refuses this SIM with TELKOMSEL"),
        ({"state": "searching", "registered": False}, "network", "the modem finds no network"),
        ({"signal": 9}, "signal", "the signal is 9%"),
        ({"sim_used": 20}, "storage", "holds 20 of 20"),
        ({"balance_rp": 10}, "credit", "Rp 10"),
        ({"able": False, "conclusion": "barred"}, "sending", "barred"),
    ],
)
def test_what_the_daemon_knows_is_told_step_by_step(changes: dict[str, Any], step: str, sentence: str) -> None:
    """The doctor would fight the daemon for the port, or call a modem well that the daemon knows to be ill."""
    told = of_daemon(WELL | changes, low_rp=10_000)
    wrong = [finding for finding in told if finding.ok is False]
    assert [finding.step for finding in wrong] == [step]
    assert sentence in verdict(told)


def test_a_refused_sim_is_not_called_a_missing_signal() -> None:
    """An office would carry its antenna about while the operator has blocked the SIM."""
    found = [
        Finding("signal", False, "the modem hears no network"),
        *of_daemon(WELL | {"state": "denied", "registered": False}, low_rp=0),
    ]
    assert verdict(found).startswith("the network refuses this SIM")


def test_the_doctor_does_not_point_to_itself() -> None:
    """Whoever asks the doctor would be sent to the doctor."""
    concluded = Standing(
        name="modem", status=ModemStatus(state="sim"), figures=Figures(), hour_limit=60, day_limit=300
    ).conclusion(now=0)
    told = of_daemon(WELL | {"state": "sim", "conclusion": concluded}, low_rp=10_000)
    assert verdict(told) == "The SIM needs a person; SMS wait. Look at the card and its PIN."


def test_a_modem_that_the_daemon_finds_well_is_well() -> None:
    """A healthy box would worry its engineer."""
    assert verdict(of_daemon(WELL, low_rp=10_000)) == "the modem is well: it can send and receive SMS"


def test_an_answer_of_another_version_is_no_crash() -> None:
    """After an update of the command alone it would end with a traceback."""
    assert all(finding.ok is not True or finding.sentence for finding in of_daemon({"state": "ready"}, low_rp=0))
