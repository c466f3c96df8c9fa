from __future__ import annotations

import pytest

from edge.simulator import gsm_codec
from edge.simulator.gsm_faults import CommandError, Faults
from edge.simulator.gsm_network import Network

NOW = 1_795_300_000.0


def submit(number: str = "4812143", *, reference: int = 0, rejects_twins: bool = False) -> tuple[str, int]:
    """A SUBMIT of the letter A."""
    first = 0x31 | (0x04 if rejects_twins else 0)
    digits = number + "F" * (len(number) % 2)
    swapped = "".join(digits[place + 1] + digits[place] for place in range(0, len(digits), 2))
    tpdu = f"{first:02X}{reference:02X}{len(number):02X}81{swapped}0008A9020041"
    return "00" + tpdu, len(tpdu) // 2


def refusal(network: Network, line: str, length: int) -> str:
    with pytest.raises(CommandError) as refused:
        network.take(line, length, now=NOW)
    return str(refused.value)


def test_what_is_taken_can_be_counted() -> None:
    """A message sent twice could not be told from one sent once."""
    network = Network(Faults())
    for _ in range(2):
        network.take(*submit(), now=NOW)
    assert [(sms.number, sms.text) for sms in network.sent] == [("4812143", "A")] * 2
    assert [taken.reference for taken in network.taken] == [1, 2]


@pytest.mark.parametrize(
    ("fault", "value", "wanted"),
    [
        ("bad_numbers", {"4812143": 28}, "+CMS ERROR: 28"),
        ("bad_numbers", {"999": 28}, ""),
        ("no_credit", 38, "+CMS ERROR: 38"),
        ("barred", 8, "+CMS ERROR: 8"),
        ("sim_removed", True, "+CMS ERROR: 331"),
        ("cms_error", (-1, 500), "+CMS ERROR: 500"),
    ],
)
def test_who_refuses_says_why(fault: str, value: object, wanted: str) -> None:
    """The causes that the daemon must tell apart would all look alike."""
    faults = Faults()
    network = Network(faults)
    setattr(faults, fault, value)
    for _ in range(2):
        assert (refusal(network, *submit()) if wanted else network.take(*submit(), now=NOW)) != ""
    assert [code for _, code in network.refused] == ([int(wanted.split()[-1])] * 2 if wanted else [])
    assert len(network.taken) == (0 if wanted else 2)


def test_registration_tells_the_causes_apart() -> None:
    """A barred SIM would look like one without signal."""
    faults = Faults()
    network = Network(faults)
    seen = [network.registration()]
    network.found = False
    seen.append(network.registration())
    faults.barred = 8
    seen.append(network.registration())
    faults.sim_removed = True
    seen.append(network.registration())
    assert seen == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("keep_reference", "accept_twins", "second", "taken"),
    [
        (True, False, submit(reference=7, rejects_twins=True), 1),
        (True, False, submit(reference=8, rejects_twins=True), 2),
        (True, False, submit(reference=7), 2),
        (True, True, submit(reference=7, rejects_twins=True), 2),
        (False, False, submit(reference=7, rejects_twins=True), 2),  # the modem's own count hides the twin
    ],
)
def test_twins(keep_reference: bool, accept_twins: bool, second: tuple[str, int], taken: int) -> None:
    """A daemon that forgets TP-RD, or changes TP-MR, would still be protected from sending twice."""
    faults = Faults(keep_reference=keep_reference, accept_twins=accept_twins)
    network = Network(faults)
    network.take(*submit(reference=7), now=NOW)
    if taken == 1:
        assert refusal(network, *second) == "+CMS ERROR: 197"
        network.forget_held()
    network.take(*second, now=NOW)
    assert len(network.taken) == 2


def test_a_report_carries_its_reference_and_status() -> None:
    """A failed delivery would be reported as well."""
    faults = Faults(keep_reference=True, report_status=0x41)
    network = Network(faults)
    network.report(network.take(*submit(reference=200), now=NOW), now=NOW)
    faults.report_status = None
    network.report(network.taken[0], now=NOW)
    (waiting,) = network.waiting
    assert waiting.report
    assert waiting.pdu == gsm_codec.status_report("4812143", 200, now=NOW, status=0x41)[0]
