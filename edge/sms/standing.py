"""Pure: how a modem stands: what is known of it, what it may still send, and in one sentence whether SMS work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from edge.health import Raised
from edge.modem.status import ModemStatus
from edge.queue.store.mail import Figures

DOCTOR = "kampung-edge modem doctor tells more"
_STATE = {
    "missing": "The modem cannot be reached; SMS wait",
    "starting": "The modem is being prepared; SMS wait for a moment",
    "sim": "The SIM needs a person; SMS wait. Look at the card and its PIN",
    "searching": "The modem finds no network; SMS wait. Move its antenna to a window",
    "denied": "The network refuses this SIM; SMS wait. Ask the operator",
    "silent": "The modem does not answer and is being recovered; SMS wait",
}
# What explains a state: of all that holds for a modem, and in this order.
_CAUSES = {
    "missing": ("modem-hilink", "modem-missing"),
    "sim": ("modem-sim",),
    "searching": ("modem-network",),
    "denied": ("modem-barred", "modem-network"),
    "silent": ("modem-silent",),
    "credit": ("modem-no-credit",),
    "barred": ("modem-barred",),
}
_CLIMBING = ("modem-silent", "modem-missing", "modem-hilink")
_HELD = {
    "credit": "It receives, but the network takes nothing from this SIM: the credit seems used up. Top it up",
    "barred": "It receives, but the operator bars this SIM from sending. Ask the operator",
    "network": "It receives, but the network takes nothing for the moment; sending is tried again by itself",
    "modem": "It receives, but fails to send for the moment; sending is tried again by itself",
    "budget": "It receives, but has sent what sms.sends_per_hour or sms.sends_per_day allow; what waits is sent later",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One modem as commands, page and metrics show it; `raised` is what holds for it."""

    name: str
    status: ModemStatus
    figures: Figures
    hour_limit: int
    day_limit: int
    raised: tuple[Raised, ...] = ()

    @property
    def able(self) -> bool:
        """Whether it can send and receive now."""
        return self.status.state == "ready" and not self.status.held

    @property
    def troubled_since(self) -> float | None:
        """Since when (Unix seconds) the ladder is climbed; None while it is not."""
        since = [raised.since for raised in self.raised if raised.condition.code in _CLIMBING]
        return min(since) if since and self.status.rung else None

    def conclusion(self, *, now: float) -> str:
        """One sentence or two for the engineer: does it work, and if not why and what helps."""
        detail = self._cause() or self.status.reason
        if self.status.state != "ready":
            return _told(_STATE[self.status.state], detail, DOCTOR)
        if self.status.held:
            return _told(_HELD.get(self.status.held, f"It receives, but does not send: {self.status.held}"), detail)
        return _told("It sends and receives", *self._remarks(now=now))

    def _cause(self) -> str:
        """What is told of the state, or of what holds the sending: not of whatever else is wrong."""
        details = {raised.condition.code: raised.detail for raised in self.raised}
        codes = _CAUSES.get(self.status.held if self.status.state == "ready" else self.status.state, ())
        return next((details[code] for code in codes if details.get(code)), "")

    def _remarks(self, *, now: float) -> list[str]:
        remarks = []
        if _left(self.status.paused_until, now):
            remarks.append("notifications and digests pause after repeated failures")
        remarks += [f"top it up, {raised.detail}" for raised in self.raised if raised.condition.code == "modem-credit"]
        if self.figures.failed:
            remarks.append(f"{self.figures.failed} given up: kampung-edge sms list --state failed")
        return remarks

    def told(self, *, now: float) -> dict[str, Any]:
        """The answer to the command, as docs/commands.md describes it; spans in seconds."""
        status, figures = self.status, self.figures
        facts = asdict(status)
        paused_until, held = facts.pop("paused_until"), facts.pop("held")
        return {
            "name": self.name,
            "able": self.able,
            "conclusion": self.conclusion(now=now),
            **facts,
            "sim": _sim(status),
            "held": held,
            "rung_s": _age(self.troubled_since, now),
            "budget": {
                "hour": figures.hour,
                "hour_limit": self.hour_limit,
                "day": figures.day,
                "day_limit": self.day_limit,
            },
            "queue": {
                "pending": figures.pending,
                "waiting": dict(figures.waiting),
                "uncertain": figures.uncertain,
                "failed": figures.failed,
            },
            "last_sent_s": _age(figures.last_sent, now),
            "last_received_s": _age(figures.last_received, now),
            "paused_s": _left(paused_until, now),
            "conditions": [raised.condition.code for raised in self.raised],
        }


def of_modem(name: str, raised: Iterable[Raised]) -> tuple[Raised, ...]:
    """Of what holds now, what is about the SMS of modem `name`."""
    return tuple(one for one in raised if one.subject == name and one.condition.code.startswith(("modem-", "sms-")))


def _sim(status: ModemStatus) -> str:
    """What is known of the SIM: only a modem that answers tells."""
    if status.state == "sim":
        return "needs a person"
    return "unknown" if status.state in ("missing", "silent", "starting") else "ready"


def _told(sentence: str, *more: str) -> str:
    said = "; ".join(part.strip().rstrip(".") for part in more if part.strip())
    return f"{sentence}: {said}." if said else f"{sentence}."


def _age(moment: float | None, now: float) -> float | None:
    return None if moment is None else max(0.0, now - moment)


def _left(moment: float | None, now: float) -> float | None:
    return None if moment is None or moment <= now else moment - now
