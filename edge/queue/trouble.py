"""What the store refuses is said once when it begins and once when it is over, however often it is tried between."""

from __future__ import annotations

import logging

from edge.queue.store.errors import StoreError
from edge.queue.store.seal import SealBroken

REFUSALS = (StoreError, SealBroken)
"""What a part waits for the end of: a row that does not open is looked for by the store itself and moved away."""


class Trouble:
    """One part's trouble with the store: `waits` says what waits meanwhile, `goes_on` that it does no longer."""

    def __init__(self, log: logging.Logger, waits: str, goes_on: str) -> None:
        self._log, self._waits, self._goes_on = log, waits, goes_on
        self._told = False

    def tell(self, error: BaseException) -> None:
        """The store refused."""
        if not self._told:
            self._log.error("%s: %s", self._waits, error)
        self._told = True

    def over(self) -> None:
        """The store took something."""
        if self._told:
            self._log.info("%s", self._goes_on)
        self._told = False
