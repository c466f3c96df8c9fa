"""The desk API's lists: requests by state, letter or ticket, a person's requests, what became of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from edge.queue import lifecycle, ticket
from edge.queue.request import Request
from edge.queue.store.transitions import Transition
from edge.sms.letters import LETTERS
from edge.web import answers, form
from edge.web.body import read_json
from edge.web.desk_api import canonical, identifier
from edge.web.problem import FieldError, Problem

LIMIT_USUAL = 50
LIMIT_MOST = 100


class ListsLike(Protocol):
    """What the API looks up in `edge.queue.records.Records`."""

    async def page(self, *, state: str = "", letter: str = "", before: str = "", limit: int) -> list[Request]:
        """Requests older than the id `before`, the newest first."""
        ...

    async def by_ticket(self, ticket: str) -> Request | None:
        """The request with this ticket."""
        ...

    async def by_nik(self, nik: str, *, limit: int) -> list[Request]:
        """The requests for a person, the newest first."""
        ...

    async def transitions(self, identifier: str) -> list[Transition] | None:
        """What became of a request."""
        ...


class DeskLists:
    """The handlers that list. A body has `body_s` seconds."""

    def __init__(self, lists: ListsLike, *, body_s: float) -> None:
        self._lists = lists
        self._body_s = body_s

    async def page(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/requests: a page, the newest first."""
        wanted = _query(request)
        if wanted["ticket"]:
            written = ticket.read(wanted["ticket"])
            if written is None:
                raise Problem("no-such-ticket")
            found = await self._lists.by_ticket(written)
            fits = found and wanted["state"] in ("", found.state) and wanted["letter"] in ("", found.letter)
            return answers.answer(answers.page([found] if found and fits else []))
        limit = int(wanted["limit"] or LIMIT_USUAL)
        requests = await self._lists.page(
            state=wanted["state"], letter=wanted["letter"], before=wanted["after"], limit=limit + 1
        )
        following = requests[limit - 1].id if len(requests) > limit else None
        return answers.answer(answers.page(requests[:limit], following))

    async def search(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests/search: the requests for a person, by a NIK that is in no URL and no log."""
        whose = await read_json(request, form.SEARCH, within_s=self._body_s)
        return answers.answer(answers.page(await self._lists.by_nik(whose.nik, limit=LIMIT_MOST)))

    async def transitions(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/requests/{id}/transitions: what became of it."""
        found = await self._lists.transitions(identifier(request))
        if found is None:
            raise Problem("no-such-request")
        return answers.answer(answers.Steps(tuple(answers.step(transition) for transition in found)))


_LETTER = "[ACDEFHJKLMNPRTUWXYacdefhjklmnprtuwxy]"
_DIGIT = "[0-9OILoil]"
TICKET = f"^{_LETTER}{_DIGIT}{{2}}-?{_LETTER}{_DIGIT}$"  # as people write it; `edge.queue.ticket` reads it


def _limit(text: str) -> str | None:
    return text if re.fullmatch(r"[1-9][0-9]?|100", text) else None


PARAMETERS: dict[str, tuple[Callable[[str], str | None], str]] = {
    "state": (lambda text: text if text in lifecycle.STATES else None, f"one of {', '.join(sorted(lifecycle.STATES))}"),
    "letter": (lambda text: text if text in LETTERS else None, f"one of {', '.join(sorted(LETTERS))}"),
    "ticket": (lambda text: text if re.fullmatch(TICKET, text) else None, "a ticket such as K47-M2"),
    "after": (canonical, "the next of the page before"),
    "limit": (_limit, f"a whole number from 1 to {LIMIT_MOST}"),
}


def _query(request: web.Request) -> dict[str, str]:
    """The parameters, "" where not given. Raises `Problem` that names each unfit one."""
    wanted, wrong = dict.fromkeys(PARAMETERS, ""), []
    for name, (read, rule) in PARAMETERS.items():
        given = request.query.getall(name, [])
        value = read(given[0]) if given else ""
        if value is None or len(given) > 1:
            wrong.append(FieldError(name, f"must be {rule}; and be given once"))
        else:
            wanted[name] = value
    if set(request.query) - PARAMETERS.keys():
        wrong.append(FieldError("", f"unknown parameter; allowed are {', '.join(PARAMETERS)}"))
    if wrong:
        raise Problem("query", errors=tuple(wrong))
    return wanted
