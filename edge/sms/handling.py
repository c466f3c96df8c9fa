"""One inbound SMS: understood, acted on and answered inside one transaction.

`Handling.handle` runs on the store's writer thread. It may run twice for one message when its group's transaction is
lost, so it touches nothing but the database and returns what is to be announced.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from edge import config, step
from edge.events import Event, RequestAccepted, SmsHandled
from edge.queue.lifecycle import CLOSED, IllegalTransition
from edge.queue.request import Request, uuid7
from edge.queue.store.messages import Contacts, Inbound, Messages
from edge.queue.store.outgoing import DAY_S
from edge.queue.store.requests import Requests
from edge.queue.store.senders import DRAFT_S
from edge.queue.store.windows import Recent
from edge.sms import grammar, letters, limits, recap, replies, roles
from edge.sms.message import Draft, Message
from edge.sms.replies import Catalogue

REPEAT_S = 10.0
_ALERT_WORDS = 60
_STAFF_KINDS: Mapping[str, str] = {"EMERGENCY": "Darurat", "COMPLAINT": "Aduan", "TO_STAFF": "Pesan"}
_OPEN_MOST = 6
_RECAP_MOST = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its code and what fills it. An empty code is silence."""

    code: str = ""
    fill: Mapping[str, object] | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One message being handled."""

    conn: sqlite3.Connection
    inbound: Inbound
    sender: str
    head: config.Head | None
    counts: limits.Counts
    now: float
    recent: Recent


class Handling:
    """What the Center does with a message; `requests` and `messages` are the store's."""

    def __init__(
        self,
        requests: Requests,
        messages: Messages,
        village: config.Village,
        settings: config.Sms,
        catalogue: Catalogue,
    ) -> None:
        self._requests, self._messages = requests, messages
        self._village, self._settings, self._catalogue = village, settings, catalogue
        self._commands: Mapping[str, Callable[[_Case, Message], Reply]] = {
            "STATUS": self._status,
            "CANCEL": self._cancel,
            "INFO": self._info,
            "HELP": lambda _case, _message: Reply("HELP"),
            "STOP": self._stop,
            "START": self._start,
            "RECAP": self._recap,
        }

    def handle(
        self, conn: sqlite3.Connection, inbound_id: int, *, now: float, trusted: bool, recent: Recent | None = None
    ) -> list[Event]:
        """Handle a waiting message; nothing if it is handled already. Returns what happened.

        `recent` is what the last hour and day are, on a box whose clock was set meanwhile.
        """
        inbound = self._messages.get(conn, inbound_id)
        if inbound is None:
            return []
        sender = roles.number(inbound.sender)
        case = _Case(
            conn, inbound, sender, roles.head(sender, self._settings), limits.Counts(), now, recent or Recent.at(now)
        )
        events: list[Event] = []
        outcome = self._act(case, events, trusted=trusted)
        self._messages.handled(conn, inbound_id, outcome, now=now)
        step.passed("sms.handled.before_commit")
        return [*events, SmsHandled(outcome)]

    def _act(self, case: _Case, events: list[Event], *, trusted: bool) -> str:
        """Act on the message and queue its reply; the outcome."""
        if case.inbound.alphanumeric or not roles.answerable(case.sender):
            return "ignore"
        case = replace(case, counts=self._counts(case))
        if not limits.may_speak(case.counts, self._settings, head=case.head is not None):
            return self._answer(case, Reply("LIMIT"), why="")
        draft = self._draft(case, trusted=trusted)
        message = grammar.read(case.inbound.text, draft=draft, signature=self._catalogue.signature)
        filing = message.kind in ("request", "ask", "staff")
        if message.kind == "ignore" or (filing and self._messages.repeated(case.conn, case.inbound, within_s=REPEAT_S)):
            return "ignore"
        reply = self._decide(case, message, events)
        return self._answer(case, reply, why=message.why)

    def _decide(self, case: _Case, message: Message, events: list[Event]) -> Reply:
        match message.kind:
            case "request":
                return self._file(case, message, events)
            case "ask":
                return self._ask(case, message)
            case "staff":
                return self._staff(case, message)
            case "command":
                return self._commands[message.command](case, message)
            case _:
                return Reply("HELP")

    def _answer(self, case: _Case, reply: Reply, *, why: str) -> str:
        """Queue the reply where limits allow it; the outcome that is recorded."""
        if not reply.code:
            return "ignore"
        if not limits.may_reply(reply.code, case.counts, self._settings, why=why):
            return "silence"
        self._messages.outgoing.queue(
            case.conn,
            kind="reply",
            code=reply.code,
            number=case.sender,
            text=self._catalogue.text(reply.code, **(reply.fill or {})),
            now=case.now,
            request=reply.request,
            inbound=case.inbound.id,
            stranger=case.counts.stranger,
        )
        return reply.code

    def _counts(self, case: _Case) -> limits.Counts:
        seen: Contacts = self._messages.contacts(
            case.conn, case.inbound.sender, before=case.inbound.id, recent=case.recent
        )
        return limits.Counts(
            messages_hour=seen.messages_hour,
            messages_day=seen.messages_day,
            requests_day=seen.requests_day,
            errors_day=sum(code in replies.ERRORS for code in seen.codes_day),
            limits_day=seen.codes_day.count("LIMIT"),
            helps_day=seen.codes_day.count("HELP"),
            stranger=seen.stranger and case.head is None,
            to_strangers=seen.to_strangers,
        )

    # ---- requests and drafts ---------------------------------------------------------------------------------------

    def _draft(self, case: _Case, *, trusted: bool) -> Draft | None:
        found = self._messages.drafts.get(case.conn, case.sender)
        if found is None:
            return None
        fields, since = found
        known = any(after < since <= until for after, until in case.recent.day)
        if trusted and case.now - since > DRAFT_S and not known:
            return None  # the sweep closes it with a message of its own
        return Draft(**{**fields, "flags": tuple(fields["flags"])})

    def _file(self, case: _Case, message: Message, events: list[Event]) -> Reply:
        """A new request, unless the same person's is still open."""
        twin = self._requests.open_twin(case.conn, message.nik, message.letter) if message.nik else None
        if twin is not None:
            self._messages.drafts.drop(case.conn, case.sender)
            return Reply("DUPLICATE", {**replies.letter_fill(message.letter), "ticket": twin.ticket}, twin.id)
        if not limits.may_file(case.counts, self._settings, head=case.head is not None):
            return Reply("LIMIT")
        request = self._requests.add(case.conn, self._request(case, message), now=case.now)
        self._messages.drafts.drop(case.conn, case.sender)
        events.append(RequestAccepted("sms", request.letter))
        fill = {**replies.letter_fill(request.letter), "name": request.name, "ticket": request.ticket}
        return Reply("RECEIVED", fill, request.id)

    def _request(self, case: _Case, message: Message) -> Request:
        rt, rw = message.rt, message.rw
        flags = message.flags
        if case.head is not None and rt is None and rw is None:
            rt, rw = case.head.rt, case.head.rw
        elif case.head is not None and (rt, rw) != (case.head.rt, case.head.rw):
            flags = (*flags, "other_rt")
        told = [f"NIK {whose} {nik}" for whose, nik in message.kin]
        return Request(
            id=uuid7(int(case.now * 1000), secrets.randbits(74)),
            ticket=self._requests.new_ticket(case.conn),
            letter=message.letter,
            source="sms",
            state="received",
            version=1,
            nik=message.nik,
            kk=message.kk,
            name=message.name,
            phone=case.sender,
            rt=rt,
            rw=rw,
            purpose="; ".join([*filter(None, [message.purpose]), *told]),
            flags=flags,
            missing=letters.missing(message.letter, message.purpose),
        )

    def _ask(self, case: _Case, message: Message) -> Reply:
        """Ask for what is missing and keep what was said for a day."""
        if message.reply != "ONE_AT_A_TIME":
            kept = asdict(Draft(**{name: getattr(message, name) for name in _DRAFT_FIELDS}))
            self._messages.drafts.keep(case.conn, case.sender, kept, now=case.now)
        fill = {**replies.letter_fill(message.letter), "n": message.digits, "key2": message.other_letter}
        if not message.letter:
            fill["key"] = "JENIS"
        return Reply(message.reply, fill)

    # ---- commands --------------------------------------------------------------------------------------------------

    def _status(self, case: _Case, message: Message) -> Reply:
        if message.ticket_text:
            request = self._visible(case, message.ticket)
            if request is None:
                return Reply("NO_SUCH_TICKET", {"ticket": message.ticket_text})
            return self._state_of(request, case.now)
        own = self._own(case, message.letter)
        if not own:
            return Reply("NOTHING_OPEN")
        return self._state_of(own[0], case.now) if len(own) == 1 else self._which(own)

    def _state_of(self, request: Request, now: float) -> Reply:
        fill = {
            **replies.letter_fill(request.letter),
            "ticket": request.ticket,
            "state": replies.STATES.get(request.state, request.state),
            "n": max(0, int((now - request.updated_at) // DAY_S)),
        }
        closed = "STATUS_READY" if request.state == "completed" else "STATUS_CLOSED"
        return Reply(closed if request.state in CLOSED else "STATUS", fill, request.id)

    def _which(self, own: list[Request]) -> Reply:
        listed = ", ".join(request.ticket for request in own[:_OPEN_MOST])
        return Reply("WHICH_TICKET", {"n": len(own), "tickets": listed})

    def _visible(self, case: _Case, ticket: str) -> Request | None:
        request = self._requests.by_ticket(case.conn, ticket) if ticket else None
        return request if request is not None and roles.may_see(case.sender, request, self._settings) else None

    def _own(self, case: _Case, letter: str) -> list[Request]:
        own = self._requests.by_phone(case.conn, case.sender)
        return [request for request in own if request.letter == letter] or own

    def _cancel(self, case: _Case, message: Message) -> Reply:
        """Cancel by ticket; without one ask which, or whether. Only the applicant's own number may."""
        if not message.ticket_text:
            own = self._own(case, message.letter)
            if not own:
                self._messages.drafts.drop(case.conn, case.sender)
                return Reply("NOTHING_OPEN")
            if len(own) > 1:
                return self._which(own)
            fill = {**replies.letter_fill(own[0].letter), "ticket": own[0].ticket}
            return Reply("CONFIRM_CANCEL", fill, own[0].id)
        request = self._requests.by_ticket(case.conn, message.ticket) if message.ticket else None
        if request is None or request.phone != case.sender:
            return Reply("NO_SUCH_TICKET", {"ticket": message.ticket_text})
        try:
            done = self._requests.cancel(case.conn, request.id, by="sms", now=case.now)
        except IllegalTransition:
            return self._state_of(request, case.now)
        fill = {**replies.letter_fill(request.letter), "ticket": request.ticket}
        return Reply("CANCELLED" if done == "cancelled" else "CANCEL_FORWARDED", fill, request.id)

    def _info(self, _case: _Case, message: Message) -> Reply:
        letter = letters.LETTERS.get(message.letter)
        if letter is None:
            return Reply("HELP")
        hours = {"hours": self._village.hours, "needs": letter.needs, "days": letter.days}
        return Reply("INFO", {**replies.letter_fill(letter.key), **hours})

    def _stop(self, case: _Case, _message: Message) -> Reply:
        self._messages.stops.add(case.conn, case.sender, now=case.now)
        return Reply("STOPPED")

    def _start(self, case: _Case, _message: Message) -> Reply:
        self._messages.stops.remove(case.conn, case.sender)
        return Reply("STARTED")

    def _recap(self, case: _Case, _message: Message) -> Reply:
        """For enrolled operators only; anybody else gets the neutral answer."""
        if case.sender not in self._settings.operators:
            return Reply("HELP")
        local = datetime.fromtimestamp(case.now, ZoneInfo(self._village.timezone))
        known = recap.count(self._requests.recent(case.conn, _RECAP_MOST), now=case.now)
        return Reply("RECAP", {**known, "district": self._village.district, "time": f"{local:%d/%m %H.%M}"})

    # ---- the staff's inbox -----------------------------------------------------------------------------------------

    def _staff(self, case: _Case, message: Message) -> Reply:
        """Keep the message for people, and tell the enrolled staff. A complaint gets a number of its own.

        Beyond the strangers' share of the SIM the message is kept without telling.
        """
        ticket = message.ticket_text
        fill: dict[str, object] = {}
        if message.reply == "COMPLAINT":
            ticket = ticket or self._requests.new_ticket(case.conn)
            fill = {"ticket": ticket}
        kind = _STAFF_KINDS[message.reply]
        self._messages.tell_staff(case.conn, case.inbound.id, message.reply.lower(), ticket=ticket, now=case.now)
        text = self._catalogue.text(
            "STAFF_ALERT", kind=kind, phone=_short(case.sender), what=case.inbound.text[:_ALERT_WORDS]
        )
        for phone in self._settings.staff if limits.may_cost(case.counts, self._settings) else ():
            self._messages.outgoing.queue(
                case.conn,
                kind="reply" if message.reply == "EMERGENCY" else "notification",
                code="STAFF_ALERT",
                number=phone,
                text=text,
                now=case.now,
                inbound=case.inbound.id,
                stranger=case.counts.stranger,
            )
        return Reply(message.reply, fill)


_DRAFT_FIELDS = ("letter", "nik", "kk", "name", "rt", "rw", "purpose", "flags")


def _short(phone: str) -> str:
    """A masked number that operators let pass (no bullets, no run of four digits): ``HP 812xxxx001``."""
    return f"HP {phone[3:6]}xxxx{phone[-3:]}"
