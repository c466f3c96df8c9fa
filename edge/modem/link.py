"""One opening of the port with its session: bytes and time go in, events come out, one timer is armed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from edge.clock import Clock
from edge.config import Modem
from edge.modem.outcomes import Event, Lost
from edge.modem.port import Port
from edge.modem.procedures import Pin
from edge.modem.session import Session


class Link:
    """An open port; `ended` gets the reason when the modem is gone or silent, then `close` must follow."""

    def __init__(self, settings: Modem, pin: Pin, clock: Clock, happened: Callable[[Link, Event], None]) -> None:
        self._clock, self._happened = clock, happened
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._port: Port | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._session = Session(
            pin=pin,
            command_timeout=settings.command_timeout_s,
            send_timeout=settings.send_timeout_s,
            list_every=settings.list_every_s,
            now=clock.monotonic(),
        )

    @classmethod
    async def open(cls, settings: Modem, pin: Pin, clock: Clock, happened: Callable[[Link, Event], None]) -> Link:
        """Open the port and begin to initialise; raises `PortUnavailable`. `happened` gets every event."""
        link = cls(settings, pin, clock, happened)
        link._port = await Port.open(settings.device, settings.baud, link._received, link._end)
        link._settle()
        return link

    def send(self, message_id: int, parts: Sequence[tuple[str, int]]) -> None:
        """Queue a message; one `SendEnded` follows."""
        self._session.send(message_id, parts, self._clock.monotonic())
        self._settle()

    def delete(self, index: int) -> None:
        """Queue a deletion; without effect once closed."""
        self._session.delete(index, self._clock.monotonic())
        self._settle()

    def release(self, index: int) -> None:
        """Leave a message on the SIM to be announced again."""
        self._session.release(index)
        self._settle()

    def close(self) -> None:
        """Give the port back and settle what was being sent."""
        if self._timer is not None:
            self._timer.cancel()
        if self._port is not None:
            self._port.close()
        self._session.close()
        self._drain()

    def _received(self, data: bytes) -> None:
        self._session.receive(data, self._clock.monotonic())
        self._settle()

    def _due(self) -> None:
        self._session.handle_timer(self._clock.monotonic())
        self._settle()

    def _end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    def _settle(self) -> None:
        """Carry out what the session wants now: bytes to the line, events to the driver, the next timer."""
        if self._port is not None:
            self._port.write(self._session.to_send())
        self._drain()
        if self._timer is not None:
            self._timer.cancel()
        due = self._session.get_timer()
        delay = None if due is None else max(0.0, due - self._clock.monotonic())
        self._timer = None if delay is None or self.ended.done() else self._loop.call_later(delay, self._due)

    def _drain(self) -> None:
        while (event := self._session.next_event()) is not None:
            if isinstance(event, Lost):
                self._end(f"the modem is silent or unusable ({event.reason})")
            self._happened(self, event)
