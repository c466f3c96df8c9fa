"""Pure: who a sender is to the office, and what they may see.

Numbers are enrolled at the office and stand in the configuration; a message can change no role. A sender's number can
be forged, so a role opens little: a head may file for residents and ask about requests of the own RT.
"""

from __future__ import annotations

from edge import config
from edge.queue.request import Request
from edge.sms import identity


def answerable(sender: str) -> bool:
    """Whether automatic replies may go to `sender`: mobile numbers of the country, no short codes, no names."""
    return sender.startswith("+628") and identity.read_phone(sender) == sender


def number(sender: str) -> str:
    """The sender as E.164 where it is a mobile number of the country, else as it came."""
    return identity.read_phone(sender) or sender


def head(sender: str, settings: config.Sms) -> config.Head | None:
    """The RT/RW head enrolled with this number."""
    return next((head for head in settings.heads if head.phone == sender), None)


def heads_of(request: Request, settings: config.Sms) -> tuple[config.Head, ...]:
    """The heads enrolled for the request's RT and RW."""
    if request.rt is None or request.rw is None:
        return ()
    return tuple(head for head in settings.heads if (head.rt, head.rw) == (request.rt, request.rw))


def may_see(sender: str, request: Request, settings: config.Sms) -> bool:
    """Whether `sender` may learn the request's state: the applicant's number, that RT's head, operators and staff."""
    if sender == request.phone or sender in settings.operators or sender in settings.staff:
        return True
    return any(head.phone == sender for head in heads_of(request, settings))
