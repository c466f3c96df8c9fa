"""Named points on a request's way, where the crash tests cut the power.

``KAMPUNG_EDGE_KILL_AT=outbox.claimed:2`` ends the process by SIGKILL the second time it passes that point. Without the
variable a point costs one comparison and does nothing.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "sms.part.before_commit",
    "sms.part.committed",
    "sms.part.deleted",
    "sms.handled.before_commit",
    "sms.handled.committed",
    "sms.report.before_commit",
    "sms.report.committed",
    "sms.send.held",
    "sms.send.journaled",
    "sms.send.part_taken",
    "sms.send.acknowledged",
    "sms.send.recorded",
    "sms.uncertain.before_commit",
    "sms.uncertain.committed",
    "desk.before_commit",
    "desk.committed",
    "attachment.piece",
    "attachment.noted",
    "attachment.before_commit",
    "attachment.committed",
    "outbox.claimed",
    "outbox.sent",
    "outbox.before_commit",
    "outbox.committed",
    "changes.received",
    "changes.before_commit",
    "changes.committed",
    "migrate.statement",
)

_name, _, _count = os.environ.get("KAMPUNG_EDGE_KILL_AT", "").partition(":")
_left = int(_count or 1)


def passed(point: str) -> None:
    """Say that the process is at `point` (one of `POINTS`)."""
    global _left
    if point != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
