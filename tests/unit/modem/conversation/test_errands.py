from __future__ import annotations

import pytest

from edge.modem.outcomes import (
    BalanceTold,
    CallRejected,
    Identified,
    NetworkTime,
    Queried,
    Ready,
    SimFaulted,
    Surveyed,
)
from tests.unit.modem.dialogue import ANSWERS, Conversation

ASK = 'AT+CUSD=1,"*888#",15'


def test_a_call_is_rejected_at_once_and_told_once() -> None:
    """A modem that rings sends nothing for half a minute."""
    conversation = Conversation(answers=ANSWERS | {"AT+CHUP": "OK"})
    conversation.commands.clear()
    conversation.say("RING", '+CLIP: "+628123",145')
    conversation.wait(3)
    conversation.say("RING")
    assert conversation.commands.count("AT+CHUP") >= 1
    assert conversation.take(CallRejected) == [CallRejected()]
    conversation.wait(60)
    conversation.say("RING")
    assert conversation.take(CallRejected) == [CallRejected()]


def test_a_modem_without_chup_hangs_up_by_ath() -> None:
    """An old modem would ring on."""
    conversation = Conversation(answers=ANSWERS | {"AT+CHUP": "ERROR", "ATH": "OK"})
    conversation.say("RING")
    assert "ATH" in conversation.commands


def test_calls_may_be_let_ring() -> None:
    """A phone beside the modem could never be called."""
    conversation = Conversation(options={"reject_calls": False})
    conversation.say("RING")
    assert conversation.take(CallRejected) == []
    assert "AT+CHUP" not in conversation.commands


def asked(answers: dict[str, str]) -> Conversation:
    conversation = Conversation(
        answers=ANSWERS | {ASK: "OK", "AT+CUSD=2": "OK"} | answers, options={"balance_ussd": "*888#"}
    )
    conversation.session.ussd(conversation.now)
    conversation.settle()
    return conversation


def test_the_balance_is_asked_and_an_open_menu_is_ended() -> None:
    """The session would stay open, or a choice be bought that nobody wanted."""
    conversation = asked({})
    assert conversation.commands[-1] == ASK
    conversation.say('+CUSD: 1,"Pulsa Rp 12.345 aktif s.d 31.01.27', '1.YA 2.Info Kartu",15')
    (told,) = conversation.take(BalanceTold)
    assert isinstance(told, BalanceTold)
    assert (told.rp, told.expires) == (12_345, "2027-01-31")
    assert conversation.commands[-1] == "AT+CUSD=2"
    assert sum(command.startswith("AT+CUSD=1") for command in conversation.commands) == 1


@pytest.mark.parametrize("answers", [{ASK: "ERROR"}, {}])
def test_an_unanswered_question_leaves_the_balance_unknown(answers: dict[str, str]) -> None:
    """Whoever asked would wait for ever, or take silence for an empty SIM."""
    conversation = asked(answers)
    conversation.wait(40)
    assert conversation.take(BalanceTold) == [BalanceTold(None, None, 0)]


def test_a_ussd_that_nobody_asked_is_no_balance() -> None:
    """An advertisement would be shown as the balance."""
    conversation = Conversation(answers=ANSWERS | {"AT+CUSD=2": "OK"}, options={"balance_ussd": "*888#"})
    conversation.say('+CUSD: 1,"Promo Rp 5.000",15')
    assert conversation.take(BalanceTold) == []
    conversation.wait(16)
    assert "AT+CUSD=2" in conversation.commands


def test_without_a_code_nothing_is_asked() -> None:
    """A SIM without a known balance code would be sent nonsense."""
    conversation = Conversation()
    conversation.session.ussd(conversation.now)
    conversation.settle()
    assert not any(command.startswith("AT+CUSD") for command in conversation.commands)


CENTRES = [
    # on the SIM, configured, remembered, written
    ("", "", "+6281100000", "+6281100000"),
    ("", "+62816124", "+6281100000", "+62816124"),
    ("+6281100000", "+62816124", "", "+62816124"),
    ("+6281100000", "", "+62816124", ""),  # another SIM: its own centre stands
    ("", "", "", ""),
]


@pytest.mark.parametrize(("on_sim", "configured", "remembered", "written"), CENTRES)
def test_a_lost_service_centre_is_restored(on_sim: str, configured: str, remembered: str, written: str) -> None:
    """A SIM without its service centre sends nothing; one with another operator's neither."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CSCA?": f'+CSCA: "{on_sim}",145|OK', f'AT+CSCA="{written}",145': "OK"},
        options={"smsc": configured, "remembered_smsc": remembered},
    )
    writes = [command for command in conversation.commands if command.startswith('AT+CSCA="')]
    assert writes == ([f'AT+CSCA="{written}",145'] if written else [])


def test_a_service_centre_that_vanishes_later_is_restored() -> None:
    """A SIM that loses its centre in use would send nothing until the next start."""
    conversation = Conversation()
    conversation.answers |= {"AT+CSCA?": '+CSCA: "",129|OK', 'AT+CSCA="+6281100000",145': "OK"}
    conversation.wait(601)
    assert 'AT+CSCA="+6281100000",145' in conversation.commands


def test_a_persons_line_is_answered_and_the_mode_asserted_after_it() -> None:
    """A person who tries something out would leave the modem in another mode."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGF=1": "OK", "AT+CREG?": "+CREG: 1,1|OK"})
    conversation.commands.clear()
    conversation.session.query(7, "AT+CREG?", conversation.now)
    conversation.settle()
    assert conversation.take(Queried) == [Queried(7, ("+CREG: 1,1",), "OK")]
    assert "AT+CMGF=0" in conversation.commands


def test_nothing_is_sent_in_a_mode_that_a_person_left_behind() -> None:
    """In text mode AT+CMGS=9 would send the PDU to the number 9, and the message be called sent."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGS=9": ">"}, payloads=["+CMGS: 1|OK"])
    conversation.commands.clear()
    conversation.session.query(7, "AT+CMGF=1", conversation.now)
    conversation.settle()
    conversation.session.send(1, [("00AABB", 9)], conversation.now)
    conversation.session.receive(b"\r\nOK\r\n", conversation.now)
    conversation.settle()
    assert conversation.commands.index("AT+CMGF=0") < conversation.commands.index("AT+CMGS=9")


def test_a_persons_line_passes_while_the_sim_needs_a_person() -> None:
    """Nobody could look at a modem that is in trouble."""
    conversation = Conversation(answers=ANSWERS | {"AT+CPIN?": "+CME ERROR: 10", "ATI": "a|b|OK"})
    assert conversation.take(SimFaulted) == [SimFaulted("SIM not inserted")]
    conversation.session.query(7, "ATI", conversation.now)
    conversation.settle()
    assert conversation.take(Queried) == [Queried(7, ("a", "b"), "OK")]


def test_a_persons_line_to_a_modem_that_is_gone_ends() -> None:
    """A console would wait for ever."""
    conversation = Conversation()
    conversation.answers["AT+X"] = ""
    conversation.session.query(7, "AT+Y", conversation.now, timeout=5)
    conversation.session.query(8, "AT+X", conversation.now, timeout=5)
    conversation.session.close()
    conversation.session.query(9, "AT+X", conversation.now)
    conversation.settle()
    assert {event.token for event in conversation.take(Queried) if isinstance(event, Queried)} >= {8, 9}


def test_the_networks_time_is_read_when_the_modem_says_it_changed() -> None:
    """The only clock of a box without a network would never be heard."""
    conversation = Conversation()
    conversation.events.clear()
    conversation.answers["AT+CCLK?"] = '+CCLK: "26/11/23,08:00:00+28"|OK'
    conversation.say('+CTZV: +28,"26/11/23,08:00:00"')
    assert conversation.take(NetworkTime) == [NetworkTime("2026-11-23T08:00:00+07:00")]


def test_a_modem_that_echoes_again_is_set_up_anew_at_once() -> None:
    """A modem that restarted without a word would announce nothing until the mode is asserted."""
    conversation = Conversation()
    conversation.events.clear()
    conversation.commands.clear()
    conversation.answers |= {"AT+CREG?": "AT+CREG?|+CREG: 1,1|OK"}
    conversation.wait(15)
    assert conversation.take(Ready) == [Ready()]
    assert "AT+CMGF=0" in conversation.commands


def test_a_modem_that_always_echoes_is_not_set_up_for_ever() -> None:
    """A modem without ATE0 would never get to work."""
    echoing = {line: f"{line}|{answer}" for line, answer in ANSWERS.items()}
    conversation = Conversation(answers=echoing)
    conversation.wait(300)
    assert conversation.take(Ready) == [Ready()]


def test_a_network_lost_for_long_gets_the_radio_restarted_with_growing_pauses() -> None:
    """A modem that never looks again for its network would be silent until somebody comes."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CREG?": "+CREG: 1,2|OK", "AT+COPS?": "+COPS: 0|OK", "AT+CFUN=0": "OK", "AT+CFUN=1": "OK"}
    )
    conversation.wait(590)
    assert "AT+CFUN=0" not in conversation.commands
    conversation.wait(20)
    assert conversation.commands.count("AT+CFUN=0") == 1
    conversation.wait(86_400)
    assert 12 <= conversation.commands.count("AT+CFUN=0") <= 20


def test_a_sim_that_the_network_refuses_is_left_alone() -> None:
    """A blocked SIM would be registered anew all day, which gets it blocked for good."""
    conversation = Conversation(answers=ANSWERS | {"AT+CREG?": "+CREG: 1,3|OK", "AT+COPS?": "+COPS: 0|OK"})
    conversation.wait(7_200)
    assert "AT+CFUN=0" not in conversation.commands
    last = conversation.take(Surveyed)[-1]
    assert isinstance(last, Surveyed)
    assert last.network.denied


def test_a_modem_that_never_answers_a_dispensable_question_gets_to_work() -> None:
    """One command that hangs a modem would keep it from ever sending."""
    conversation = Conversation(answers=ANSWERS | {"AT+CTZR=1": "", "AT+CGMR": ""})
    conversation.wait(60)
    assert len(conversation.take(Identified)) == 1
    assert conversation.commands.count("AT+CTZR=1") == 1
