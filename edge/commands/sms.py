"""`kampung-edge sms`: send and follow SMS by hand; read and write PDUs."""

from __future__ import annotations

import click

from edge.commands.sms_codec import decode, encode
from edge.commands.sms_queue import COMMANDS
from edge.commands.sms_staff import staff


@click.group("sms", short_help="Send and follow SMS by hand; read and write PDUs.")
def sms() -> None:
    """Send an SMS by hand, follow what became of it, list what waits or came in; read and write PDUs.

    \b
    Example: kampung-edge sms send 081234567890 "Surat sudah selesai" --wait
             kampung-edge sms list --state uncertain
             kampung-edge sms decode 07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07
    """


for _command in (*COMMANDS, staff, decode, encode):
    sms.add_command(_command)
