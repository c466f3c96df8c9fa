"""How a modem stands: able or not, and the one sentence that says why."""

from __future__ import annotations

from typing import get_args

import pytest

from edge.health import CONDITIONS, Raised
from edge.modem.status import ModemStatus, State
from edge.queue.store.mail import Figures
from edge.sms.standing import Standing, of_modem

NOW = 1_000_000.0
DOCTOR = "; kampung-edge modem doctor tells more."


def raised(code: str, detail: str = "", subject: str = "modem", since: float = NOW - 90) -> Raised:
    return Raised(CONDITIONS[code], subject, detail, since)


def standing(*held: Raised, figures: Figures | None = None, **status: object) -> Standing:
    return Standing(
        name="modem",
        status=ModemStatus(**({"state": "ready"} | status)),  # type: ignore[arg-type]  # the steps name the fields
        figures=figures or Figures(),
        hour_limit=60,
        day_limit=300,
        raised=held,
    )


@pytest.mark.parametrize(
    ("stands", "able", "sentence"),
    [
        (standing(), True, "It sends and receives."),
        (
            standing(raised("modem-missing", "/dev/ttyUSB0 does not exist"), state="missing"),
            False,
            f"The modem cannot be reached; SMS wait: /dev/ttyUSB0 does not exist{DOCTOR}",
        ),
        (
            standing(state="silent", rung="reopen", reason="no answer to AT."),
            False,
            f"The modem does not answer and is being recovered; SMS wait: no answer to AT{DOCTOR}",
        ),
        (
            standing(
                raised("modem-no-credit", "one is tried now and then"),
                raised("modem-silent", "no answer to AT"),
                state="silent",
                held="credit",
            ),
            False,
            f"The modem does not answer and is being recovered; SMS wait: no answer to AT{DOCTOR}",
        ),
        (
            standing(raised("modem-credit", "the SIM expires on 2026-12-01"), held="budget"),
            False,
            "It receives, but has sent what sms.sends_per_hour or sms.sends_per_day allow; what waits is sent later.",
        ),
        (
            standing(held="credit"),
            False,
            "It receives, but the network takes nothing from this SIM: the credit seems used up. Top it up.",
        ),
        (standing(held="orbit"), False, "It receives, but does not send: orbit."),
        (
            standing(figures=Figures(failed=2)),
            True,
            "It sends and receives: 2 given up: kampung-edge sms list --state failed.",
        ),
        (
            standing(raised("sms-paused"), paused_until=NOW + 60),
            True,
            "It sends and receives: notifications and digests pause after repeated failures.",
        ),
        (standing(paused_until=NOW - 1), True, "It sends and receives."),
    ],
)
def test_the_conclusion(stands: Standing, able: bool, sentence: str) -> None:
    """The engineer on the phone would have to work out from twenty figures whether SMS work."""
    assert (stands.able, stands.conclusion(now=NOW)) == (able, sentence)


@pytest.mark.parametrize("state", get_args(State))
def test_only_a_ready_modem_is_able(state: State) -> None:
    """A new state would have no sentence, or pass as well."""
    stands = standing(state=state)
    assert stands.able == (state == "ready")
    assert stands.conclusion(now=NOW).endswith(".")


def test_low_credit_is_said_while_it_still_works() -> None:
    """The SIM would be empty before anybody heard of it."""
    stands = standing(raised("modem-credit", "Rp 4000 left"))
    assert stands.conclusion(now=NOW) == "It sends and receives: top it up, Rp 4000 left."


def test_what_is_told_holds_spans_not_moments() -> None:
    """A program on another machine, or one whose clock jumped, would compute wrong ages."""
    stands = standing(
        raised("modem-silent", "no answer"),
        figures=Figures(waiting={"reply": 2, "digest": 1}, last_sent=NOW - 5, last_received=NOW + 9),
        state="silent",
        rung="cfun",
        paused_until=NOW + 30,
    )
    told = stands.told(now=NOW)
    assert (told["last_sent_s"], told["last_received_s"], told["paused_s"], told["rung_s"]) == (5, 0, 30, 90)
    assert (told["queue"]["pending"], told["queue"]["waiting"]) == (3, {"reply": 2, "digest": 1})
    assert (told["sim"], told["conditions"]) == ("unknown", ["modem-silent"])
    assert not {key for key in told if key.endswith(("_until", "_at"))}


def test_the_time_on_the_ladder_ends_with_it() -> None:
    """A modem that works again would be shown as in recovery since yesterday."""
    assert standing(raised("modem-silent"), rung="").told(now=NOW)["rung_s"] is None


def test_only_what_is_about_this_modem_counts() -> None:
    """Another modem's SIM, or an uplink of the same name, would be blamed."""
    held = (raised("modem-sim"), raised("sms-paused"), raised("modem-sim", subject="second"), raised("uplink-down"))
    assert [one.condition.code for one in of_modem("modem", held)] == ["modem-sim", "sms-paused"]
