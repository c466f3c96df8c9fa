"""What the reference portal remembers: requests with their first effects, events, changes with cursors, blobs.

Written from the contract alone (``docs/openapi.json``); it shares no code with the box.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

_OPEN_AT_PORTAL = frozenset(
    {
        *("forwarded", "village_check", "needs_data", "rt_confirmation", "returned"),
        *("district_check", "secretary_approval", "head_approval", "signing"),
    }
)


@dataclass
class Filed:
    """A request as the portal holds it. `version` grows with each change."""

    content: dict[str, Any]
    state: str = "forwarded"
    version: int = 1


@dataclass
class Blob:
    """A scan that arrives in ranges."""

    total: int
    received: bytearray = field(default_factory=bytearray)


class CursorTooOld(Exception):
    """The changes after this cursor are no longer kept."""


class Ledger:
    """The portal's memory for one village; `effects` counts what each request id set in motion (once is right)."""

    def __init__(self, village: str) -> None:
        self.village = village
        self.requests: dict[str, Filed] = {}
        self.effects: Counter[str] = Counter()
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.blobs: dict[str, Blob] = {}
        self.heartbeats = 0
        self.last_seq = 0
        self._changes: list[dict[str, Any]] = []
        self._forgotten = 0

    def put(self, identifier: str, content: dict[str, Any]) -> Literal["created", "same", "differs"]:
        """File a request; only the first filing has an effect."""
        known = self.requests.get(identifier)
        if known is not None:
            return "same" if known.content == content else "differs"
        self.requests[identifier] = Filed(content)
        self.effects[identifier] += 1
        return "created"

    def take_event(self, event: dict[str, Any]) -> dict[str, Any]:
        """Take one CloudEvent; (source, id) is its identity. An order to cancel is obeyed while the request is open."""
        key = (str(event.get("source")), str(event.get("id")))
        answer: dict[str, Any] = {"id": event.get("id")}
        if key in self.events:
            return {**answer, "status": "duplicate"}
        subject = event.get("subject")
        filed = self.requests.get(subject) if isinstance(subject, str) else None
        if not isinstance(subject, str) or filed is None:
            problem = {"type": "about:blank", "title": "unknown request", "status": 422}
            return {**answer, "status": "rejected", "problem": problem}
        self.events[key] = event
        self.effects[f"{event.get('type')} {subject}"] += 1
        seq = event.get("seq")
        self.last_seq = max(self.last_seq, seq if isinstance(seq, int) else 0)
        if event.get("type") == "kampung.request.cancel_requested" and filed.state in _OPEN_AT_PORTAL:
            self.change(subject, "cancelled")
        return {**answer, "status": "accepted"}

    def change(self, identifier: str, state: str, why: str = "") -> dict[str, Any]:
        """Give a request a new state and write the change that tells of it. KeyError for an unknown request."""
        filed = self.requests[identifier]
        filed.state = state
        filed.version += 1
        return self.announce(identifier, state, filed.version, why)

    def announce(self, identifier: str, state: str, version: int, why: str = "") -> dict[str, Any]:
        """Write a change whatever the truth is: a nasty portal says things of requests that it never had."""
        event = self._event(identifier, state, version, why)
        self._changes.append(event)
        return event

    def say(self, event: dict[str, Any]) -> None:
        """Append an event as it is: the same one twice, or nonsense."""
        self._changes.append(event)

    def forget(self) -> None:
        """Drop the changes kept so far, so that older cursors are too old."""
        self._forgotten += len(self._changes)
        self._changes.clear()

    def after(self, cursor: str, limit: int) -> tuple[list[dict[str, Any]], str]:
        """A page of changes after `cursor` and the cursor after it. Raises `CursorTooOld`; ValueError for nonsense."""
        position = int(cursor) if cursor else 0
        if position < self._forgotten:
            raise CursorTooOld(cursor)
        page = self._changes[position - self._forgotten :][:limit]
        return page, str(position + len(page)) if page or cursor else ""

    def snapshot(self) -> tuple[list[dict[str, Any]], str]:
        """The present state of every request that ever changed, and the cursor to go on from."""
        events = [
            self._event(identifier, filed.state, filed.version, "")
            for identifier, filed in self.requests.items()
            if filed.version > 1
        ]
        return events, str(self._forgotten + len(self._changes))

    def take_range(self, digest: str, start: int, total: int, body: bytes) -> tuple[bool, int]:
        """Take one range of a blob: whether it is whole now, and how many bytes are held. ValueError on a mismatch."""
        blob = self.blobs.setdefault(digest, Blob(total))
        if start != len(blob.received) or total != blob.total or start + len(body) > total:
            return False, len(blob.received)
        blob.received += body
        if len(blob.received) < total:
            return False, len(blob.received)
        if hashlib.sha256(blob.received).hexdigest() != digest:
            del self.blobs[digest]
            raise ValueError("the bytes do not have this SHA-256")
        return True, total

    def whole(self, digest: str) -> bool:
        """Whether a blob is complete."""
        blob = self.blobs.get(digest)
        return blob is not None and len(blob.received) == blob.total

    def _event(self, identifier: str, state: str, version: int, why: str) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "portal",
            "type": "kampung.request.changed",
            "subject": identifier,
            "time": datetime.now(UTC).isoformat(),
            "data": {"state": state, "version": version, **({"why": why} if why else {})},
        }
