"""One opening of the port with its session: bytes and time go in, events come out, one timer is armed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from edge.clock import Clock
from edge.config import Modem
from edge.modem.conversation.ladder import Rung
from edge.modem.conversation.procedures import Pin
from edge.modem.device.usb import Places
from edge.modem.outcomes import Event, Lost
from edge.modem.port import Port
from edge.modem.session import Session

Tap = Callable[[float, Literal[">", "<"], bytes], None]
PATIENCE_S = 3.0


class Link:
    """An open port; `ended` gets the reason when the modem is gone or silent, then `close` must follow.

    `tap`, where it is set, is shown every chunk with its moment (monotonic seconds): ">" to the modem, "<" from it.
    """

    def __init__(
        self,
        settings: Modem,
        pin: Pin,
        clock: Clock,
        happened: Callable[[Link, Event], None],
        *,
        smsc: str = "",
        reset: Rung = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._clock, self._happened = clock, happened
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.tap: Tap | None = None
        self._port: Port | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._session = Session(
            pin=pin,
            command_timeout=settings.command_timeout_s,
            send_timeout=settings.send_timeout_s,
            list_every=settings.list_every_s,
            smsc=settings.smsc,
            remembered_smsc=smsc,
            reports=settings.reports,
            balance_ussd=settings.balance_ussd,
            reject_calls=settings.reject_calls,
            reset=reset,
            patience=patience_s,
            now=clock.monotonic(),
        )

    @classmethod
    async def open(
        cls,
        settings: Modem,
        pin: Pin,
        clock: Clock,
        happened: Callable[[Link, Event], None],
        *,
        device: str = "",
        places: Places | None = None,
        smsc: str = "",
        reset: Rung = "",
        patience_s: float = PATIENCE_S,
        hang_up: bool = False,
        tap: Tap | None = None,
    ) -> Link:
        """Open the port and begin to initialise; raises `PortUnavailable`. `happened` gets every event.

        `device` is the serial line where ``[modem] device`` is no path; `smsc` the service centre seen before, for a
        SIM that has lost it; `reset` a rung that the session performs first; `patience_s` how long it greets in vain.
        """
        link = cls(settings, pin, clock, happened, smsc=smsc, reset=reset, patience_s=patience_s)
        link.tap = tap
        line = device or settings.device
        link._port = await Port.open(line, settings.baud, link._received, link._end, places=places, hang_up=hang_up)
        link._settle()
        return link

    def send(self, message_id: int, parts: Sequence[tuple[str, int]], *, held: bool = False) -> None:
        """Queue a message; a `PartTaken` for each part and one `SendEnded` follow.

        With `held`, each part waits at its prompt for `proceed`.
        """
        self._session.send(message_id, parts, self._clock.monotonic(), held=held)
        self._settle()

    def proceed(self, message_id: int, sequence: int) -> None:
        """Part `sequence` (1 up) of a held message may leave: its journal is durable."""
        self._session.proceed(message_id, sequence, self._clock.monotonic())
        self._settle()

    def cancel(self, message_id: int) -> None:
        """Leave the prompt of a held message; its `SendEnded` is certain and not sent."""
        self._session.cancel(message_id, self._clock.monotonic())
        self._settle()

    def query(self, token: int, line: str, *, timeout_s: float = 30.0) -> None:
        """Ask a person's AT line when nothing else waits; one `Queried` follows."""
        self._session.query(token, line, self._clock.monotonic(), timeout=timeout_s)
        self._settle()

    def ussd(self) -> None:
        """Ask the balance when nothing else waits; one `BalanceTold` follows."""
        self._session.ussd(self._clock.monotonic())
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

    async def closed(self, *, within_s: float | None = None) -> None:
        """Wait until the kernel has let the device go, or `within_s` seconds at most; after `close`."""
        if self._port is not None:
            await self._port.closed(within_s=within_s)

    def _received(self, data: bytes) -> None:
        now = self._clock.monotonic()
        if self.tap is not None:
            self.tap(now, "<", data)
        self._session.receive(data, now)
        self._settle()

    def _due(self) -> None:
        self._session.handle_timer(self._clock.monotonic())
        self._settle()

    def _end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    def _settle(self) -> None:
        """Carry out what the session wants now: bytes to the line, events to the driver, the next timer."""
        if self._port is not None and (data := self._session.to_send()):
            if self.tap is not None:
                self.tap(self._clock.monotonic(), ">", data)
            self._port.write(data)
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
