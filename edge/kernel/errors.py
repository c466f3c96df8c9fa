"""What can keep the host from being read or changed::

HostError
+-- PrivilegeMissing   the operator must act: CAP_NET_ADMIN is not there
+-- Unreadable         the host's state could not be read; try again later
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.kernel.state import Change


class HostError(Exception):
    """The host's network state could not be read or changed."""


class PrivilegeMissing(HostError):
    """The process lacks CAP_NET_ADMIN."""


class Unreadable(HostError):
    """The kernel or one of its tools did not tell its state."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One change that the kernel did not accept, and its words."""

    change: Change
    reason: str

    def __str__(self) -> str:
        return f"{self.change.action} {self.change.what}: {self.reason}"
