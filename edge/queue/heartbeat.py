"""The heartbeat: the village in a few hundred bytes, now and then, and soon after something of importance changed.

It is never queued: only the newest counts. The first one enrols the installation (`edge.queue.enrolment`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from edge.clock import Clock
from edge.config import Upstream
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.enrolment import Enrolment
from edge.queue.sink import Beat, Refusal, Replaced, Retry, Sink, Unauthorised
from edge.queue.store.database import StoreError
from edge.queue.trouble import Trouble

log = logging.getLogger("edge.queue.heartbeat")

STATE_MOST = 2_048
SOON_LEAST_S, SOON_MOST_S = 2.0, 10.0
GAP_S = 20.0
_REFUSED_REST_S = 10.0
_CALL_MOST_S = 120.0
_CERTIFICATE_WARN_S = 30 * 86_400.0
_JITTER = random.SystemRandom()
_LATE = Retry(f"the portal did not answer a heartbeat within {_CALL_MOST_S:g} s")


class Heartbeat:
    """Beats through `sink`. `state()` gives the village of now as JSON values, without personal data.

    `tried` is set once the first beat since the start was answered, or was not in time.
    """

    def __init__(
        self,
        sink: Sink,
        settings: Upstream,
        contact: Contact,
        enrolment: Enrolment,
        state: Callable[[], Mapping[str, Any]],
        *,
        clock: Clock,
        health: Health,
    ) -> None:
        self._sink = sink
        self._every_s = settings.heartbeat_s
        self._contact = contact
        self._enrolment = enrolment
        self._state = state
        self._clock = clock
        self._health = health
        self._trouble = Trouble(log, "the enrolment waits", "the enrolment is kept")
        self._changed = asyncio.Event()
        self.tried = asyncio.Event()
        self.last: float | None = None

    def soon(self) -> None:
        """Something of importance changed."""
        self._changed.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        failures = 0
        while True:
            if self._enrolment.done.is_set():
                await self._contact.unpaused(beat=True)
                answer = await self._beat()
            else:
                async with self._contact.turn(beat=True):
                    answer = await self._beat()
                    self._tell_first(answer)
            if isinstance(answer, Beat):
                failures = 0
                await self._pause(self._every_s * (0.8 + 0.4 * _JITTER.random()))
            elif self._enrolment.done.is_set():
                failures += 1
                retry_s = self._contact.delay(failures, answer) if isinstance(answer, Retry) else 0.0
                await self._contact.rest(min(self._every_s, max(1.0, retry_s)))

    def _tell_first(self, answer: Beat | Refusal | None) -> None:
        """Until the first heartbeat is answered nothing else goes up, so this is the contact."""
        if isinstance(answer, Retry):
            self._contact.failed("up", answer)
        elif isinstance(answer, Beat):
            self._contact.answered("up")

    async def _beat(self) -> Beat | Refusal | None:
        """One beat; None when a hurry ended it."""
        self._changed.clear()
        try:
            async with asyncio.timeout(_CALL_MOST_S):
                answer = await self._contact.unless_hurried(self._sink.beat(self._body()))
        except TimeoutError:
            answer = _LATE
        if isinstance(answer, Beat):
            if not await self._taken(answer):
                return None
            self._contact.enrolled()
            self.last = self._clock.wall()
            self._contact.hasten()
        elif isinstance(answer, Unauthorised | Replaced):
            self._contact.refused(answer)
        self.tried.set()
        self._look_at_certificates()
        return answer

    async def _taken(self, beat: Beat) -> bool:
        """Whether the store keeps what a beat was answered; it is answered the same again until it does."""
        try:
            await self._enrolment.take(beat)
        except StoreError as refused:
            self._trouble.tell(refused)
            self.tried.set()
            await asyncio.sleep(_REFUSED_REST_S)
            return False
        self._trouble.over()
        return True

    async def _pause(self, seconds: float) -> None:
        """Until the next beat is due; sooner, spread over some seconds, when something changes.

        What changes all the time is told every `GAP_S` at most.
        """
        began = self._clock.monotonic()
        await self._contact.rest(seconds, self._changed)
        if self._changed.is_set():
            soon_s = SOON_LEAST_S + (SOON_MOST_S - SOON_LEAST_S) * _JITTER.random()
            await asyncio.sleep(max(soon_s, GAP_S - (self._clock.monotonic() - began)))

    def _body(self) -> bytes:
        at = datetime.fromtimestamp(self._clock.wall(), UTC).isoformat(timespec="seconds")
        own = {"installation": self._enrolment.installation, "epoch": self._enrolment.epoch, "at": at}
        return compact({**self._state(), **own}, keep=own)

    def _look_at_certificates(self) -> None:
        if not self._clock.trusted():
            return
        for certificate in self._sink.certificates():
            left_s = certificate.not_after - self._clock.wall()
            if left_s < _CERTIFICATE_WARN_S:
                until = datetime.fromtimestamp(certificate.not_after, UTC).date()
                self._health.raise_("upstream-certificate", f"valid until {until}", subject=certificate.whose)
            else:
                self._health.clear("upstream-certificate", subject=certificate.whose)


def compact(state: Mapping[str, Any], *, keep: Mapping[str, Any]) -> bytes:
    """JSON of at most `STATE_MOST` bytes: the largest values give way, but those of `keep`, and are named."""
    left, out = dict(state), list[str]()
    while len(body := _json(left | ({"left_out": out} if out else {}))) > STATE_MOST:
        largest = max((name for name in left if name not in keep), key=lambda name: len(_json(left[name])))
        del left[largest]
        out.append(largest)
    return body


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
