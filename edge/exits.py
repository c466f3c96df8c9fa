"""What the command's exit status says; docs/commands.md tells it to people, the unit's settings to systemd."""

from __future__ import annotations

FAILED = 1
CONFIGURATION = 2
PRIVILEGE = 3
ALREADY_RUNNING = 4
UNCERTAIN = 5
