"""Pure: how far what comes over this line may be believed.

A serial line carries no check sum: one replaced digit makes a PDU that decodes well and says something else. Over USB
the bytes are protected (CRC-16 and repetition, USB 2.0 clause 8.3.5), over a real UART they are not, and nothing on
the line tells which it is. So belief rests on evidence:

- A message is announced when two readings of it were alike. That costs 20 ms and is paid always, but for a burst.
- In a burst (a listing of more than `Inbox.FEW`) one reading does, if the line is *proven* and the listing itself shows
  nothing odd. Proven is a line whose last `PROOF_B` bytes and all before them in this session had no sign of noise.
  Noise that spoils every hundredth byte passes `PROOF_B` bytes and a listing of 400 without a sign less than once in
  1,000 times; noise that spoils one byte in 10,000 leaves a wrong letter in at most one burst of 50 messages in 50, and
  then mostly shows itself and is not believed again. Each message that comes alone goes on testing the line.
- After a sign the line is *noisy* for `OWED_B` bytes, some hours at rest. Then every message is read twice, what is
  brought without a copy is not believed, an error code is not final, and what is sent is given with its echo on: the
  modem sends back each byte as it heard it, and SUB follows only when that was the message, else ESC. A damaged message
  never leaves, whichever way the damage happened.

Signs are bytes that no modem sends, over-long lines, an echo that differs, a listing whose lines do not pair, and two
readings of one message that differ. A message that is unreadable but always the same is no sign.
"""

from __future__ import annotations

PROOF_B = 600
OWED_B = 65_536


class Trust:
    """One session's record of its line."""

    def __init__(self) -> None:
        self._clean = 0
        self._owed = 0

    @property
    def noisy(self) -> bool:
        """There was a sign of noise, and not yet enough clean bytes since."""
        return self._owed > 0

    @property
    def proven(self) -> bool:
        """Enough has come over this line without a sign of noise."""
        return not self._owed and self._clean >= PROOF_B

    def heard(self, count: int) -> None:
        """`count` bytes came without a sign."""
        self._clean = min(self._clean + count, PROOF_B)
        self._owed = max(0, self._owed - count)

    def disturbed(self) -> None:
        """A sign of noise."""
        self._clean, self._owed = 0, OWED_B
