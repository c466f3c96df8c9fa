"""Pure: what is done between messages: surveys, the mode asserted, a call rejected, the balance, the time, a person.

Nothing here waits while messages do, but for a survey that is long overdue and a telephone that rings.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from edge.modem.at import Command, question
from edge.modem.conversation import initialise, network, sim, ussd
from edge.modem.conversation.procedures import Procedure, Refused, Silent, Ways, ask, wish
from edge.modem.conversation.trust import Trust
from edge.modem.outcomes import (
    BalanceTold,
    CallRejected,
    Event,
    Network,
    NetworkTime,
    Queried,
    Surveyed,
)

SURVEY_S, OVERDUE_S = 15.0, 60.0
UNREGISTERED_S, UNREGISTERED_LATER_S, LATER_S = 3.0, 15.0, 300.0
ASSERT_S = 120.0
CENTRE_S = 600.0
CLOCK_S = 21_600.0
USSD_S = 30.0
RADIO_S, LONGEST_RADIO_S = 600.0, 7_200.0
_ONE_CALL_S = 8.0


class Errands:
    """What is due of these, and how it is done; `events` gets what it comes to. Times in seconds of `now`'s scale.

    `failures` are those of the session since the last survey that went well.
    """

    def __init__(
        self,
        ways: Ways,
        trust: Trust,
        events: deque[Event],
        *,
        smsc: str,
        remembered_smsc: str,
        balance_ussd: str,
        reject_calls: bool,
        survey_every: float,
        now: float,
    ) -> None:
        self._ways, self._trust, self._events = ways, trust, events
        self.failures = 0
        self._smsc, self._remembered_smsc = smsc, remembered_smsc
        self._balance_ussd, self._reject_calls, self._survey_every = balance_ussd, reject_calls, survey_every
        self._now = now
        self._centre = ""
        self._network: Network | None = None
        self._queries: deque[tuple[int, Command]] = deque()
        self._survey_at = self._assert_at = self._centre_at = self._clock_at = now
        self._acquainted = self._mode_doubted = False
        self._ringing, self._rang_at = False, now - _ONE_CALL_S
        self._ussd_wanted = self._ussd_open = False
        self._ussd_until: float | None = None
        self._unregistered_since: float | None = None
        self._radio_s, self._radio_at = RADIO_S, 0.0

    # --- what asks for them

    def begin(self, now: float) -> None:
        """The modem was set up: survey at once."""
        self._survey_at, self._assert_at = now, now + ASSERT_S
        self._ussd_until, self._ussd_open, self._acquainted, self._network = None, False, False, None
        self._mode_doubted = False

    def survey_soon(self, now: float, *, changed_mode: bool = False) -> None:
        """Something changed; with `changed_mode` the settings may have as well."""
        self._survey_at = now
        if changed_mode:
            self._assert_at = now

    def check_centre(self, now: float) -> None:
        """A send failed as it does without a service centre."""
        self._centre_at = now

    def want_ussd(self) -> None:
        """Ask the balance."""
        self._ussd_wanted = bool(self._balance_ussd)

    def want_clock(self, now: float) -> None:
        """The network told its time, in a way of which each modem has its own."""
        self._clock_at = now

    def ring(self, now: float) -> None:
        """Somebody rings; each ring says so anew."""
        if self._reject_calls:
            self._ringing = True
            if now - self._rang_at >= _ONE_CALL_S:
                self._events.append(CallRejected())
        self._rang_at = now

    def ussd_answered(self, line: str) -> None:
        """A +CUSD line: the balance if it was asked; a menu that stays open is ended, never answered."""
        answer = ussd.read_answer(line, packed=self._ways.model.ussd_packed)
        if answer is None:
            return
        self._ussd_open = self._ussd_open or answer.open
        if self._ussd_until is not None:
            self._ussd_until = None
            self._told_balance(answer.text)

    def query(self, token: int, line: str, timeout: float) -> None:
        """A person's line."""
        self._queries.append((token, Command(line, timeout, question(line, timeout).prefix)))

    def lose_queries(self) -> None:
        """The modem is gone."""
        self._events.extend(Queried(token, (), "LOST") for token, _ in self._queries)
        self._queries.clear()

    # --- what is due

    def urgent(self, now: float) -> Procedure[None] | None:
        """What goes before messages."""
        self._now = now
        if self._ringing:
            return self._hang_up()
        if self._mode_doubted or now >= self._survey_at + OVERDUE_S:
            return self.survey()
        return None

    @property
    def surveyed(self) -> bool:
        """The network was looked at since the modem was set up: nothing is sent before that."""
        return self._network is not None

    def next(self, now: float) -> Procedure[None] | None:
        """What is done when no message waits, the most useful first; a noisy line must not spoil the SIM's centre."""
        self._now = now
        if now >= self._survey_at:
            return self.survey()
        if not self._acquainted:
            return self._acquaint()
        if now >= self._centre_at and not self._trust.noisy:
            return self._check_centre()
        if self._ussd_until is not None and now >= self._ussd_until:
            self._give_up_ussd()
        if self._ussd_open:
            return self._end_ussd()
        if self._ussd_wanted:
            return self._ask_balance()
        return self._read_clock() if now >= self._clock_at else self.next_query()

    def next_query(self) -> Procedure[None] | None:
        """A person's line alone: also while the SIM needs a person."""
        return self._query(*self._queries.popleft()) if self._queries else None

    def due(self) -> float:
        """When `next` has something at the latest."""
        due = min(self._survey_at, self._clock_at)
        due = due if self._trust.noisy else min(due, self._centre_at)
        return due if self._ussd_until is None else min(due, self._ussd_until)

    # --- how it is done

    def survey(self) -> Procedure[None]:
        """Look at the network; from time to time assert the mode, and start the radio anew when nothing is found."""
        if self._now >= self._assert_at:
            self._assert_at = self._now + ASSERT_S
            if self._trust.noisy and self._ways.reports and not self._ways.reports_apart:
                yield from initialise.choose_indications(self._ways, noisy=True)
            yield from initialise.assert_mode(self._ways)
            self._mode_doubted = False
            # Reports need no AT+CNMA then: a modem that waits for it in vain brings no more (TS 27.005 clause 3.4.4).
            yield from wish(self._ways, "AT+CSMS=0")
        found = yield from network.survey(self._ways, self._centre)
        if not found.registered and (yield from sim.state(self._ways)) != "READY":
            raise Refused("AT+CPIN?: the SIM is locked again")
        self._survey_at = self._now + self._next_survey(found.registered)
        self.failures, self._network = 0, found
        self._events.append(Surveyed(found))
        if not found.registered and not found.denied and self._now >= self._radio_at:
            yield from self._start_radio_anew()

    def _next_survey(self, registered: bool) -> float:
        if registered:
            self._unregistered_since, self._radio_s = None, RADIO_S
            return self._survey_every
        if self._unregistered_since is None:
            self._unregistered_since = self._now
            self._radio_at = self._now + self._radio_s
        return UNREGISTERED_S if self._now - self._unregistered_since < LATER_S else UNREGISTERED_LATER_S

    def _start_radio_anew(self) -> Procedure[None]:
        """Some modems never look again for a network that they lost; the pauses grow, as it may be the network."""
        self._radio_s = min(2 * self._radio_s, LONGEST_RADIO_S)
        self._radio_at = self._now + self._radio_s
        if self._ways.model.radio_restart:
            yield from initialise.restart_radio()
            self._assert_at = self._now
        else:
            yield from ask("AT+COPS=0", self._ways.timeout)

    def _acquaint(self) -> Procedure[None]:
        yield from initialise.polish(self._ways)
        self._events.append((yield from initialise.identify(self._ways)))
        self._acquainted = True

    def _check_centre(self) -> Procedure[None]:
        self._centre_at = self._now + CENTRE_S
        found = yield from network.centre(self._ways)
        if found is None:
            return
        wanted = self._smsc or found or self._remembered_smsc or self._centre
        if wanted != found and not (yield from network.restore_centre(wanted, self._ways)):
            return
        if wanted != self._centre and self._network is not None:
            self._events.append(Surveyed(replace(self._network, smsc=wanted)))
        self._centre = wanted

    def _hang_up(self) -> Procedure[None]:
        self._ringing = False
        answer = yield from wish(self._ways, "AT+CHUP")
        if not answer.ok:
            yield from ask("ATH", self._ways.quick)

    def _ask_balance(self) -> Procedure[None]:
        self._ussd_wanted, self._ussd_until = False, self._now + USSD_S
        line = ussd.request(self._balance_ussd, packed=self._ways.model.ussd_packed)
        answer = yield from ask(line, self._ways.timeout)
        if not answer.ok and self._ussd_until is not None:
            self._ussd_until = None
            self._told_balance("")

    def _give_up_ussd(self) -> None:
        self._ussd_until, self._ussd_open = None, True
        self._told_balance("")

    def _told_balance(self, text: str) -> None:
        balance = ussd.read_balance(text)
        self._events.append(BalanceTold(balance.rp, balance.expires, len(text)))

    def _end_ussd(self) -> Procedure[None]:
        self._ussd_open = False
        yield from ask("AT+CUSD=2", self._ways.timeout)

    def _read_clock(self) -> Procedure[None]:
        self._clock_at = self._now + CLOCK_S
        moment = yield from network.clock(self._ways)
        if moment:
            self._events.append(NetworkTime(moment))

    def _query(self, token: int, command: Command) -> Procedure[None]:
        answer = yield command
        self._events.append(Queried(token, answer.lines, answer.final))
        self.survey_soon(self._now, changed_mode=True)
        self._mode_doubted = True  # in text mode AT+CMGS=23 would send to the number 23
        if answer.timed_out:
            raise Silent("a person's command")
