from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

import pytest

from edge.modem.concat import Piece
from edge.modem.conversation.procedures import Network
from edge.modem.outcomes import (
    Arrived,
    Deleted,
    DeleteFailed,
    Identified,
    Lost,
    NetworkTime,
    Ready,
    SendEnded,
    SimFaulted,
    StorageSeen,
    Surveyed,
)
from edge.modem.pdu import Address, Deliver, encode_deliver
from tests.unit.modem.dialogue import ANSWERS, Conversation


def message(text: str) -> tuple[str, int]:
    return encode_deliver(Address("+628123"), Piece(text, False, None), datetime(2026, 11, 22, tzinfo=UTC))


def listed(prefix: str, text: str) -> str:
    pdu, length = message(text)
    return f"{prefix},,{length}|{pdu}"


def arrived_texts(conversation: Conversation) -> list[str]:
    texts = []
    for event in conversation.take(Arrived):
        assert isinstance(event, Arrived)
        assert isinstance(event.message, Deliver)
        texts.append(event.message.text)
    return texts


def test_initialising_ends_ready_surveyed_and_listed() -> None:
    """The modem would stay in a mode that brings nothing."""
    conversation = Conversation()
    assert conversation.take(Ready) == [Ready()]
    assert conversation.take(Surveyed) == [
        Surveyed(Network(1, "Telkomsel", 58, "4G")),
        Surveyed(Network(1, "Telkomsel", 58, "4G", "+6281100000")),
    ]
    assert conversation.take(Identified) == [Identified("kampung", "table", "1", "350000000000006", "generic")]
    assert conversation.take(NetworkTime) == [NetworkTime("2026-11-22T14:00:00+07:00")]
    assert conversation.take(StorageSeen) == [StorageSeen(0, 20)]
    assert conversation.commands.count("AT+CMGL=4") == 1
    assert {"AT+CMGF=0", "AT+CNMI=2,1,0,1,0", 'AT+CPMS="SM","SM","SM"'} <= set(conversation.commands)


def test_what_is_stored_at_start_is_announced_once_and_deleted_when_durable() -> None:
    """Messages of a time without daemon would be lost, or announced at each listing."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CMGL=4": listed("+CMGL: 0,1", "INFO") + "|OK", "AT+CMGD=0": "OK"}
    )
    assert arrived_texts(conversation) == ["INFO"]
    conversation.wait(130)
    assert arrived_texts(conversation) == []
    assert "AT+CMGD=0" not in conversation.commands
    conversation.session.delete(0, conversation.now)
    conversation.settle()
    assert conversation.take(Deleted) == [Deleted(0)]


@pytest.mark.parametrize(
    ("indication", "command"),
    [
        ('+CMTI: "SM",0', "AT+CMGR=0"),
        ('+CMTI: "ME",3', "AT+CMGL=4"),  # another storage than ours
        ("+CMTI: ,-1", "AT+CMGL=4"),
        ('+CDSI: "SM",2', "AT+CMGL=4"),
    ],
)
def test_indications_are_followed(indication: str, command: str) -> None:
    """A quirk of some modem would leave its messages unread until the next listing."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGR=0": listed("+CMGR: 0", "INFO") + "|OK"})
    conversation.commands.clear()
    conversation.say(indication)
    assert set(conversation.commands) == {command}


def test_a_burst_of_indications_is_one_listing() -> None:
    """Fifty messages at once would be read one by one."""
    conversation = Conversation()
    conversation.commands.clear()
    conversation.answers["AT+CSQ"] = ""  # the modem is busy while they come
    conversation.wait(15)
    conversation.say(*(f'+CMTI: "SM",{place}' for place in range(5)))
    conversation.answers |= {"AT+CMGL=4": "|".join([*(listed(f"+CMGL: {n},0", f"text {n}") for n in range(5)), "OK"])}
    conversation.commands.clear()
    conversation.say("+CSQ: 1,99", "OK")
    assert conversation.commands == ["AT+CMGL=4"]
    assert arrived_texts(conversation) == [f"text {n}" for n in range(5)]


def test_a_failed_deletion_is_repeated_only_where_the_same_message_is() -> None:
    """A repeated deletion would take a new, unread message at the same place."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CMGL=4": listed("+CMGL: 4,1", "old") + "|OK", "AT+CMGD=4": "+CMS ERROR: 320"}
    )
    conversation.session.delete(4, conversation.now)
    conversation.settle()
    assert conversation.take(DeleteFailed) == [DeleteFailed(4)]
    conversation.answers |= {"AT+CMGL=4": listed("+CMGL: 4,0", "new") + "|OK", "AT+CMGD=4": "OK"}
    conversation.events.clear()
    conversation.wait(10)
    assert arrived_texts(conversation) == ["new"]
    assert conversation.take(Deleted) == []


def test_a_deletion_of_what_is_gone_is_done() -> None:
    """A deletion whose answer was lost would be repeated for ever."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CMGL=4": listed("+CMGL: 4,1", "x") + "|OK", "AT+CMGD=4": "+CMS ERROR: 321"}
    )
    conversation.session.delete(4, conversation.now)
    conversation.settle()
    assert conversation.take(Deleted) == [Deleted(4)]


def test_a_released_message_comes_again() -> None:
    """What could not be stored would be forgotten on the SIM."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGL=4": listed("+CMGL: 0,1", "INFO") + "|OK"})
    assert arrived_texts(conversation) == ["INFO"]
    conversation.session.release(0)
    conversation.wait(3)
    assert arrived_texts(conversation) == ["INFO"]


def test_noise_in_a_pdu_is_read_again() -> None:
    """A message would be stored as unreadable because the line was disturbed once."""
    pdu, length = message("INFO")
    conversation = Conversation(
        answers=ANSWERS
        | {"AT+CMGL=4": f"+CMGL: 0,1,,{length}|{pdu[:-4]}|OK", "AT+CMGR=0": listed("+CMGR: 1", "INFO") + "|OK"}
    )
    assert arrived_texts(conversation) == ["INFO"]


def test_what_reads_the_same_twice_is_really_unreadable() -> None:
    """An unreadable PDU would fill the SIM, or be read for ever."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CMGL=4": "+CMGL: 0,1,,24|0BAD|OK", "AT+CMGR=0": "+CMGR: 1,,24|0BAD|OK"}
    )
    assert conversation.take(Arrived) == [Arrived(0, "0BAD", None)]
    assert conversation.commands.count("AT+CMGR=0") == 1


class Nonsense(dict[str, str]):
    """A modem's answers whose first fifty listings show rubbish, each at other places."""

    listings = 0

    def get(self, line: str, default: str = "") -> str:  # type: ignore[override]  # the table is asked by strings alone
        if line != "AT+CMGL=4" or self.listings == 50:
            return super().get(line, default)
        self.listings += 1
        return "|".join([*(f"+CMGL: {100 * self.listings + place},1,,24|0BAD" for place in range(100)), "OK"])


def test_doubts_of_a_modem_that_lists_nonsense_do_not_pile_up() -> None:
    """A broken modem that lists other rubbish each time would fill the memory within hours."""
    conversation = Conversation(answers=Nonsense(ANSWERS))
    assert sum(len(held) for held in vars(conversation.session).values() if isinstance(held, (dict, deque))) < 10


def test_a_status_report_comes_at_once() -> None:
    """Delivery would never be known."""
    conversation = Conversation()
    conversation.say("+CDS: 25", "0006070B911326880736F4111011719551401110117195714000")
    (event,) = conversation.take(Arrived)
    assert isinstance(event, Arrived)
    assert event.index is None


SENDS = [
    # answers to two parts' commands and payloads, how it ends
    ([">", ">"], ["+CMGS: 7|OK", "+CMGS: 8|OK"], SendEnded(1, True, True, (7, 8))),
    ([">"], ["OK"], SendEnded(1, True, True, ())),
    ([">"], ["+CMS ERROR: 28"], SendEnded(1, False, True, (), "+CMS ERROR 28: unidentified subscriber", True, 28)),
    ([">"], ["+CMS ERROR: 38"], SendEnded(1, False, True, (), "+CMS ERROR 38: network out of order", False, 38)),
    (
        ["+CMS ERROR: 330"],
        [],
        SendEnded(1, False, True, (), "+CMS ERROR 330: service centre address unknown", False, 330),
    ),
    ([">"], ["ERROR"], SendEnded(1, False, True, (), "ERROR")),
    ([">"], [""], SendEnded(1, False, False, (), "no answer after the message was given")),
    ([">"], ["+CMGS: 9"], SendEnded(1, True, True, (9,))),  # only the OK was lost
    ([""], [], SendEnded(1, False, True, (), "no prompt")),
]


@pytest.mark.parametrize(("prompts", "results", "wanted"), SENDS)
def test_sends(prompts: list[str], results: list[str], wanted: SendEnded) -> None:
    """A sent message would be called failed, or a lost one sent."""
    conversation = Conversation(payloads=list(results))
    conversation.answers["AT+CMGS=9"] = prompts[0]
    conversation.session.send(1, [("00AABB", 9)] * len(prompts), conversation.now)
    conversation.settle()
    conversation.wait(40)
    assert conversation.take(SendEnded) == [wanted]


def test_after_an_unanswered_send_the_session_begins_again() -> None:
    """A late answer would be taken for that of the next command."""
    conversation = Conversation(payloads=[""])
    conversation.answers["AT+CMGS=9"] = ">"
    conversation.session.send(1, [("00AABB", 9)], conversation.now)
    conversation.settle()
    conversation.commands.clear()
    conversation.events.clear()
    conversation.wait(31)
    assert conversation.commands[:2] == ["AT+CSQ", "AT"]  # first a question that late answers cannot pass
    assert conversation.take(Ready) == [Ready()]


def test_arrivals_go_before_sends() -> None:
    """Receiving would wait for a long queue of messages to send."""
    conversation = Conversation(payloads=["", "+CMGS: 2|OK"])
    conversation.answers |= {"AT+CMGS=9": ">", "AT+CMGR=0": listed("+CMGR: 0", "INFO") + "|OK"}
    for number in (1, 2):
        conversation.session.send(number, [("00AABB", 9)], conversation.now)
    conversation.settle()
    conversation.say('+CMTI: "SM",0')
    conversation.commands.clear()
    conversation.say("+CMGS: 1", "OK")
    assert conversation.commands == ["AT+CMGR=0", "AT+CMGR=0", "AT+CMGS=9", "00AABB"]


@pytest.mark.parametrize(("prompt", "certain"), [("", True), (">", False)])
def test_closing_settles_what_is_being_sent(prompt: str, certain: bool) -> None:
    """A message cut off by an unplug would never be heard of again."""
    conversation = Conversation(payloads=[""])
    conversation.answers["AT+CMGS=9"] = prompt
    conversation.session.send(1, [("00AABB", 9)], conversation.now)
    conversation.session.send(2, [("00AABB", 9)], conversation.now)
    conversation.settle()
    conversation.session.close()
    conversation.session.send(3, [("00AABB", 9)], conversation.now)
    conversation.settle()
    ends = conversation.take(SendEnded)
    assert [(end.id, end.certain) for end in ends if isinstance(end, SendEnded)] == [(1, certain), (2, True), (3, True)]


@pytest.mark.parametrize(
    ("silent_from", "reason"),
    [("AT", "silent at AT"), ("AT+CMGF=0", "silent at AT+CMGF"), ("AT+CSQ", "silent at AT")],
)
def test_a_silent_modem_is_lost(silent_from: str, reason: str) -> None:
    """A hung modem would be waited for for ever."""
    conversation = Conversation(answers={**ANSWERS, silent_from: ""})
    conversation.wait(60)
    assert conversation.take(Lost) == [Lost(reason)]
    assert conversation.session.get_timer() is None


def test_a_modem_that_refuses_pdu_mode_is_lost() -> None:
    """A modem that cannot do it would be driven blindly."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGF=0": "ERROR"})
    conversation.wait(60)
    assert conversation.take(Lost) == [Lost("refused at AT+CMGF: ERROR")]


def test_one_time_out_is_overcome() -> None:
    """One lost answer would cost the session."""
    conversation = Conversation()
    conversation.answers["AT+CSQ"] = ""
    conversation.wait(15)
    conversation.answers["AT+CSQ"] = ANSWERS["AT+CSQ"]
    conversation.events.clear()
    conversation.wait(10)
    assert conversation.take(Lost) == []
    assert conversation.take(Ready) == [Ready()]


SIMS = [
    # PIN, answers that differ, commands with the PIN, the fault
    ("1234", {"AT+CPIN?": "+CPIN: SIM PIN|OK", 'AT+CPIN="1234"': "+CME ERROR: 16"}, 1, "refused the PIN"),
    ("1234", {"AT+CPIN?": "+CPIN: SIM PIN|OK", 'AT+CPIN="1234"': "OK"}, 1, "still asks"),
    ("", {"AT+CPIN?": "+CPIN: SIM PIN|OK"}, 0, "sim-pin is missing"),
    ("12;ATD", {"AT+CPIN?": "+CPIN: SIM PIN|OK"}, 0, "not 4 to 8 digits"),
    ("1234", {"AT+CPIN?": "+CPIN: SIM PUK|OK"}, 0, "asks for SIM PUK"),
    ("1234", {"AT+CPIN?": "+CME ERROR: 10"}, 0, "SIM not inserted"),
    (
        "1234",
        {"AT+CPIN?": "+CPIN: SIM PIN|OK", 'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,2,3|OK"},
        0,
        "only 2 PIN attempts",
    ),
    ("1234", {"AT+CPIN?": "+CME ERROR: 11", 'AT+CPINR="SIM PIN"': "ERROR", 'AT+CPIN="1234"': "ERROR"}, 1, "refused"),
    ("1234", {"AT+CPIN?": "+CME ERROR: 14"}, 0, "does not become ready"),
]


@pytest.mark.parametrize(("pin", "answers", "tries", "fault"), SIMS)
def test_a_sim_that_needs_a_person(pin: str, answers: dict[str, str], tries: int, fault: str) -> None:
    """A wrong PIN would be tried until the SIM is locked for good."""
    conversation = Conversation(pin=pin, answers=ANSWERS | answers)
    conversation.wait(300)
    assert sum(command.startswith("AT+CPIN=") for command in conversation.commands) == tries
    first, *later = conversation.take(SimFaulted)
    assert isinstance(first, SimFaulted)
    assert fault in first.detail
    assert later  # it is looked at again, in case the SIM was changed
    assert conversation.take(Ready) == []


def test_a_modem_that_reset_itself_is_set_again() -> None:
    """A modem that lost its settings would never announce a message again."""
    conversation = Conversation()
    conversation.commands.clear()
    conversation.wait(121)
    at = conversation.commands.index("ATE0")
    assert conversation.commands[at : at + 5] == ["ATE0", "AT+CMEE=1", "AT+CMGF=0", "AT+CNMI=2,1,0,1,0", "AT+CREG=1"]


def test_a_change_of_registration_is_surveyed_at_once() -> None:
    """The page would show a network that was lost."""
    conversation = Conversation()
    conversation.events.clear()
    conversation.answers |= {"AT+CREG?": "+CREG: 1,2|OK", "AT+COPS?": "+COPS: 0|OK", "AT+CSQ": "+CSQ: 99,99|OK"}
    conversation.say("+CREG: 2")
    assert conversation.take(Surveyed) == [Surveyed(Network(2, "", None, "", "+6281100000"))]
    conversation.answers |= ANSWERS
    conversation.wait(4)  # looked at more often while there is none
    assert conversation.take(Surveyed) == [Surveyed(Network(1, "Telkomsel", 58, "4G", "+6281100000"))]


def test_a_sim_taken_out_is_noticed() -> None:
    """The daemon would go on as if the SIM were there."""
    conversation = Conversation()
    conversation.answers["AT+CPIN?"] = "+CME ERROR: 10"
    conversation.say("+CPIN: NOT READY")
    assert conversation.take(SimFaulted) == [SimFaulted("SIM not inserted")]


def test_nothing_is_sent_before_the_network_was_looked_at() -> None:
    """A message would be given to a modem that has only just restarted and knows no network, and be refused."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGS=9": ">"}, payloads=["+CMGS: 7|OK"])
    conversation.commands.clear()
    conversation.hear("RDY")
    conversation.session.send(1, [("00AABB", 9)], conversation.now)
    conversation.wait(20)
    assert len(conversation.take(SendEnded)) == 1
    assert conversation.commands.index("AT+CREG?") < conversation.commands.index("AT+CMGS=9")


def test_a_sim_that_only_a_person_can_cure_resets_no_modem() -> None:
    """A modem without a card would be restarted all day long."""
    conversation = Conversation(answers=ANSWERS | {"AT+CPIN?": "+CME ERROR: 10"})
    conversation.wait(300)
    assert len(conversation.take(SimFaulted)) > 4
    assert conversation.take(Lost) == []


def test_a_draft_brought_directly_is_no_message() -> None:
    """What somebody stored on the SIM would be answered like a citizen's request."""
    conversation = Conversation()
    conversation.say("+CMT: ,15", "0011000B918126543210F700000000")
    assert conversation.take(Arrived) == []


def test_a_sim_that_does_not_become_ready_gets_its_modem_reset() -> None:
    """A modem that lost its card after a jolt would wait for a person for ever."""
    conversation = Conversation(answers=ANSWERS | {"AT+CPIN?": "+CME ERROR: 14"})
    conversation.wait(300)
    assert len(conversation.take(SimFaulted)) == 4
    assert len(conversation.take(Lost)) == 1
