"""What the commands under `kampung-edge uplink` are told: the uplinks now, the last decisions, a choice by hand.

Decisions are kept as they were announced, at most a hundred switches and choices by hand and a hundred verdicts: many
verdicts of a restless uplink must not push out the one switch that somebody asks about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from edge.clock import Clock
from edge.config import Config
from edge.control import Answer, Handler, Refused
from edge.events import ClassMoved, Event, UplinkJudged
from edge.marks import CLASSES
from edge.monitor.tally import Row
from edge.monitor.verdict import Verdict
from edge.traffic.policy import Assignment, standing
from edge.traffic.preference import MOST_S, Preferences

Chosen = Callable[[Iterable[str], str | None, float, str], None]

KEPT = 100
_ACCOUNT_MOST = 32  # useradd(8)
_SAME_S = 0.5  # the history notes the same decision by its own glance at the clock; no restart is as quick


class Decisions:
    """The last decisions, in the order they were made."""

    def __init__(self) -> None:
        self._number = 0
        self._switches: deque[tuple[int, Answer]] = deque(maxlen=KEPT)
        self._verdicts: deque[tuple[int, Answer]] = deque(maxlen=KEPT)

    def observe(self, event: Event, wall: float) -> None:
        """Keep `event` if it is a decision; `wall` is Unix time."""
        match event:
            case UplinkJudged():
                said: Answer = {"event": "verdict", "uplink": event.uplink, "verdict": event.verdict}
                figures = {"cause": event.cause, "loss": event.loss, "rtt_ms": event.rtt_ms}
                self._keep(self._verdicts, wall, said | figures | {"evidence": event.evidence})
            case ClassMoved():
                said = {"event": "switch", "class": event.traffic_class, "from": event.from_uplink}
                why = {"to": event.to_uplink, "because": event.because, "evidence": event.evidence}
                self._keep(self._switches, wall, said | why)

    def load(self, rows: list[dict[str, Any]]) -> None:
        """Put what the history kept before what was heard since the start; `rows` are those of `History.recent`."""
        since = min((decision["at"] for decision in self.last(2 * KEPT)), default=float("inf"))
        kept = [row for row in rows if row["at"] is not None and row["at"] < since - _SAME_S]
        numbered = list(zip(range(-len(kept), 0), kept, strict=True))
        for ring, events in ((self._switches, ("switch", "choice")), (self._verdicts, ("verdict",))):
            earlier = [entry for entry in numbered if entry[1]["event"] in events]
            ring.extendleft(earlier[: -KEPT + len(ring) - 1 : -1])

    def chosen(self, classes: Iterable[str], uplink: str | None, seconds: float, by: str, wall: float) -> None:
        """Keep that the account `by` chose `uplink` for `seconds`, or took such a choice back (None)."""
        said = {"event": "choice", "classes": list(classes), "uplink": uplink, "for_s": seconds, "by": by}
        self._keep(self._switches, wall, said)

    def last(self, count: int) -> list[Answer]:
        """The last `count` decisions, newest last; `at` is Unix time."""
        both = sorted([*self._switches, *self._verdicts], key=lambda entry: entry[0])
        return [decision for _, decision in both[-count:]] if count > 0 else []

    def _keep(self, ring: deque[tuple[int, Answer]], wall: float, decision: Answer) -> None:
        self._number += 1
        ring.append((self._number, {"at": wall} | decision))


class Answers:
    """Answers ``uplink``, ``why`` and ``prefer`` from what the running parts know; `reconsider` acts on a choice.

    `chosen` notes a choice for good: its classes, uplink, seconds and who made it, as `Decisions.chosen` does.
    """

    def __init__(
        self,
        config: Config,
        decisions: Decisions,
        preferences: Preferences,
        *,
        clock: Clock,
        verdicts: Callable[[], Iterable[Verdict]],
        sources: Callable[[str], Iterable[Row]],
        assignment: Callable[[], Assignment],
        reconsider: Callable[[], None],
        chosen: Chosen,
    ) -> None:
        self._config = config
        self._decisions = decisions
        self._preferences = preferences
        self._clock = clock
        self._verdicts = verdicts
        self._sources = sources
        self._assignment = assignment
        self._reconsider = reconsider
        self._chosen = chosen

    def handlers(self) -> dict[str, Handler]:
        """What to offer to `edge.control.Control`."""
        return {"uplink": self.uplink, "why": self.why, "prefer": self.prefer}

    async def uplink(self, _question: Mapping[str, Any]) -> Answer:
        """Every uplink with its verdict, sources and users, every class with its reason; ``since_s`` is an age."""
        now, assignment = self._clock.monotonic(), self._assignment()
        ends, chosen = self._preferences.ends(), self._preferences.current()
        return {
            "uplinks": [
                _shown(verdict, assignment, now) | {"sources": [_source(row) for row in self._sources(verdict.uplink)]}
                for verdict in self._verdicts()
            ],
            "classes": [
                {
                    "class": name,
                    "uplink": uplink,
                    "because": because,
                    "chosen": chosen.get(name),
                    "chosen_for_s": round(ends[name] - now, 1) if name in ends else None,
                }
                for name, uplink, because in assignment.rows()
            ],
        }

    async def why(self, question: Mapping[str, Any]) -> Answer:
        """The last decisions, newest last. Refused unless ``last`` is a whole number from 1 to 200."""
        last = question.get("last", 20)
        if type(last) is not int or not 1 <= last <= 2 * KEPT:
            raise Refused(f"last must be a whole number from 1 to {2 * KEPT}")
        return {"decisions": self._decisions.last(last), "clock_trusted": self._clock.trusted()}

    async def prefer(self, question: Mapping[str, Any]) -> Answer:
        """Force ``uplink`` for ``for_s`` seconds on ``class`` (default: all that may use it); or ``clear`` that.

        ``by`` is the account of the person who asks, as the command knows it.
        """
        by = _account(question.get("by", ""))
        if question.get("clear") is True:
            classes, uplink, seconds = self._named(question, CLASSES), None, 0.0
            saving = self._preferences.clear(classes)
        else:
            uplink, seconds = self._known(question.get("uplink")), _seconds(question.get("for_s"))
            able = tuple(name for name in CLASSES if uplink in getattr(self._config.classes, name).uplinks)
            classes = self._named(question, able)
            if not set(classes) <= set(able):
                raise Refused(f"{classes[0]} may not use {uplink}; add it to classes.{classes[0]}.uplinks first")
            saving = self._preferences.set(classes, uplink, seconds)
        warnings = [f"{v.uplink} is down; it is used once it is up" for v in self._down(uplink)]
        try:
            await saving
        except OSError as error:
            warnings.append(f"it holds, but until a restart only: it could not be written down ({error.strerror})")
        self._decisions.chosen(classes, uplink, seconds, by, self._clock.wall())
        self._chosen(classes, uplink, seconds, by)
        self._reconsider()
        return {"classes": list(classes), "uplink": uplink, "for_s": seconds, "warnings": warnings}

    def _down(self, uplink: str | None) -> list[Verdict]:
        return [v for v in self._verdicts() if v.uplink == uplink and standing(v) == "down"]

    def _known(self, uplink: object) -> str:
        names = [known.name for known in self._config.uplink]
        if not isinstance(uplink, str) or uplink not in names:
            raise Refused(f"no uplink is named {str(uplink)[:40]!r}; known: {', '.join(names)}")
        if not any(uplink in getattr(self._config.classes, name).uplinks for name in CLASSES):
            raise Refused(f"no class may use {uplink}; add it to the uplinks of one first")
        return uplink

    def _named(self, question: Mapping[str, Any], otherwise: tuple[str, ...]) -> tuple[str, ...]:
        name = question.get("class")
        if name is None:
            return otherwise
        if name not in CLASSES:
            raise Refused(f"no class is named {str(name)[:40]!r}; known: {', '.join(CLASSES)}")
        return (str(name),)


def _shown(verdict: Verdict, assignment: Assignment, now: float) -> Answer:
    return {
        "uplink": verdict.uplink,
        "verdict": verdict.level,
        "cause": verdict.cause,
        "loss": round(verdict.loss, 4),
        "rtt_ms": verdict.rtt_ms,
        "jitter_ms": verdict.jitter_ms,
        "since_s": round(now - verdict.since, 1),
        "evidence": verdict.evidence,
        "classes": [name for name in CLASSES if assignment[name].uplink == verdict.uplink],
    }


def _source(row: Row) -> Answer:
    return asdict(row) | {"loss": None if row.loss is None else round(row.loss, 4)}


def _account(given: object) -> str:
    if not isinstance(given, str) or len(given) > _ACCOUNT_MOST or not given.isprintable():
        raise Refused(f"by is no account's name of at most {_ACCOUNT_MOST} characters")
    return given


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 1 <= given <= MOST_S:
        raise Refused("a choice by hand lasts from 1 second to 7 days")
    return float(given)
