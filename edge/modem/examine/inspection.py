"""A person's look at a modem that works: AT lines asked between its messages, and recordings of its line.

Commands ask by the control socket, whose answers come within seconds; so a question or a recording is begun, gets a
number, and is asked after by it. Other people's numbers and words never leave in the clear (see `masking`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.clock import Clock
from edge.control import Answer, Handler, Refused
from edge.modem.examine import permitted, transcript
from edge.modem.examine.masking import Mask
from edge.modem.examine.transcript import Direction, Recorder
from edge.modem.link import Link, Tap
from edge.modem.outcomes import Queried

WAIT_S = 5.0
LONGEST_S = 180.0
LISTENING_S = 60.0
PAGE = 200_000
_MOST_HEARD = 65_536
_MOST_RECORDED = 1 << 18
_GRACE_S = 30.0


@dataclass(slots=True)
class _Exchange:
    """One question, and what goes over the line from then on."""

    token: int
    until: float
    recorder: Recorder
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    answer: Queried | None = None


@dataclass(slots=True)
class _Recording:
    """One recording; `text` is made once it is done."""

    token: int
    recorder: Recorder
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    text: str | None = None


class Inspection:
    """The door to one modem's line; one question and one recording at a time.

    `link` gives the open link, None while there is none; `overhear` sets the one tap of this and later links.
    """

    def __init__(
        self, name: str, clock: Clock, *, link: Callable[[], Link | None], overhear: Callable[[Tap | None], None]
    ) -> None:
        self.name = name
        self._clock, self._link, self._overhear = clock, link, overhear
        self._key = secrets.token_bytes(32)
        self._exchange: _Exchange | None = None
        self._recording: _Recording | None = None
        self._tokens = 0

    def happened(self, event: Queried) -> None:
        """The answer to a question that was asked."""
        if self._exchange is not None and event.token == self._exchange.token:
            self._exchange.answer = event
            self._exchange.ended.set()

    # --- one AT line

    async def ask(self, question: dict[str, Any]) -> Answer:
        """``modem-at``: begin with a `line` (and `dangerous`, `timeout_s`), go on with the `token` that it got.

        The answer tells `done`, `final`, the masked `lines` of the answer, and all that was `heard` so far.
        """
        if "line" in question:
            return self._begin(str(question["line"]).strip(), question)
        exchange = self._exchange
        if exchange is None or question.get("token") != exchange.token:
            raise Refused("somebody else has asked the modem since; ask again")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(exchange.ended.wait(), _seconds(question.get("wait_s", WAIT_S), WAIT_S))
        return self._told(exchange)

    def _begin(self, line: str, question: dict[str, Any]) -> Answer:
        if sentence := permitted.refusal(line, dangerous=question.get("dangerous") is True):
            raise Refused(sentence)
        now, before = self._clock.monotonic(), self._exchange
        if before is not None and before.answer is None and now < before.until:
            raise Refused("another command is under way; wait for its end")
        link = self._link()
        if link is None:
            raise Refused("the modem is not open now; kampung-edge modem tells why")
        timeout_s = _seconds(question.get("timeout_s", 30.0), LONGEST_S)
        self._tokens += 1
        recorder = Recorder(now=now, seconds=timeout_s + LISTENING_S, most_bytes=_MOST_HEARD)
        self._exchange = _Exchange(self._tokens, now + timeout_s + _GRACE_S, recorder)
        self._overhear(self._tap)
        link.query(self._tokens, line, timeout_s=timeout_s)
        return {"token": self._tokens}

    def _told(self, exchange: _Exchange) -> Answer:
        answer = exchange.answer
        mask = Mask(self._key)
        return {
            "done": answer is not None or self._clock.monotonic() >= exchange.until,
            "final": answer.final if answer else "",
            "lines": [mask.line(line) for line in answer.lines] if answer else [],
            "heard": transcript.spoken(exchange.recorder.chunks, self._key),
        }

    # --- a recording

    async def record(self, question: dict[str, Any]) -> Answer:
        """``modem-record``: begin with `seconds`; with its `token` wait, `stop`, or fetch the text from `offset` on."""
        if "seconds" in question:
            return self._begin_recording(_seconds(question["seconds"], transcript.MOST_SECONDS))
        recording = self._recording
        if recording is None or question.get("token") != recording.token:
            raise Refused("another recording has been begun since; begin anew")
        if question.get("stop"):
            self._end_recording(recording)
        elif "offset" not in question:
            with contextlib.suppress(TimeoutError):
                left = recording.recorder.left(self._clock.monotonic())
                await asyncio.wait_for(recording.ended.wait(), min(WAIT_S, left))
        if recording.recorder.done(self._clock.monotonic()):
            self._end_recording(recording)
        if recording.text is None:
            return {"done": False, "bytes": recording.recorder.size}
        offset = question.get("offset", 0)
        if not isinstance(offset, int) or offset < 0:
            raise Refused("an offset is a number from 0 on")
        page = recording.text[offset : offset + PAGE]
        return {"done": True, "bytes": recording.recorder.size, "text": page, "size": len(recording.text)}

    def _begin_recording(self, seconds: float) -> Answer:
        now = self._clock.monotonic()
        if self._recording is not None and self._recording.text is None and not self._recording.recorder.done(now):
            raise Refused("a recording is under way; wait for its end")
        self._tokens += 1
        self._recording = _Recording(self._tokens, Recorder(now=now, seconds=seconds, most_bytes=_MOST_RECORDED))
        self._overhear(self._tap)
        return {"token": self._tokens}

    def _end_recording(self, recording: _Recording) -> None:
        if recording.text is None:
            recording.text = recording.recorder.masked(secrets.token_bytes(32))
            recording.ended.set()

    # --- the line

    def _tap(self, now: float, direction: Direction, data: bytes) -> None:
        """Let a question and a recording hear; when neither listens any more, nobody does."""
        listening = False
        if self._exchange is not None and not self._exchange.recorder.done(now):
            self._exchange.recorder.tap(now, direction, data)
            listening = True
        recording = self._recording
        if recording is not None and recording.text is None:
            recording.recorder.tap(now, direction, data)
            if recording.recorder.done(now):
                recording.ended.set()
            else:
                listening = True
        if not listening:
            self._overhear(None)


def handlers(inspections: Sequence[Inspection]) -> dict[str, Handler]:
    """The questions ``modem-at`` and ``modem-record`` of all modems; `modem` in a question names one of several."""

    def chosen(question: dict[str, Any]) -> Inspection:
        name = str(question.get("modem", ""))
        found = [inspection for inspection in inspections if name in ("", inspection.name)]
        if len(found) != 1:
            names = ", ".join(inspection.name for inspection in inspections)
            raise Refused(f"name one modem with --modem: {names}" if inspections else "there is no [modem]")
        return found[0]

    async def ask(question: dict[str, Any]) -> Answer:
        return await chosen(question).ask(question)

    async def record(question: dict[str, Any]) -> Answer:
        return await chosen(question).record(question)

    return {"modem-at": ask, "modem-record": record}


def _seconds(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise Refused(f"a time is a number of seconds up to {most:g}")
    return float(value)
