"""A row whose check sum is wrong is not changed, and so nothing is done on its account.

The sum is a generated column: an UPDATE would reckon it anew over the damage and so make a wrong value right. All that
acts on a row (a claim, an answer, a transition) updates it in the same transaction, so a trigger before each UPDATE is
enough to stop every such act. The triggers are temporary: they live in the writer's connection only.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from edge.queue.store.mend import damage
from edge.queue.store.mend.damage import BadRow
from edge.queue.store.mend.examine import bad_rows
from edge.queue.store.mend.record import Value
from edge.queue.store.mend.tables import Table, summed
from edge.queue.store.rowsum import rowsum


class Guard:
    """Watches the updates of `connection`. After a transaction that it stopped, `found` names the rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.found: list[BadRow] = []
        self._connection = connection
        self._tables = summed(connection)
        self._texts = {
            table.name: [place for place, column in enumerate(table.columns) if column in table.texts]
            for table in self._tables.values()
        }
        connection.create_function("row_right", -1, self._right, deterministic=True)
        for table in self._tables.values():
            connection.execute(_trigger(table))

    def heal(self, path: Path) -> list[damage.Damage]:
        """Set right what was found, through a connection of its own: no transaction may be open."""
        found, self.found = list(dict.fromkeys(self.found)), []
        return damage.set_right(path, found, now=time.time())

    def search(self) -> None:
        """Look at every row, since a value that does not open was read: seconds for a hundred thousand."""
        texts = self._connection.text_factory
        self._connection.text_factory = damage.lenient
        try:
            for table in self._tables.values():
                for _, wrong in bad_rows(self._connection, table):
                    self.found += wrong
        finally:
            self._connection.text_factory = texts

    def _right(self, name: str, total: int, *values: Value) -> int:
        """Whether the values have this sum; notes a row that has not. Texts come as blobs: they may be no UTF-8."""
        table = self._tables[name]
        place, plain = values[: len(table.place)], list(values[len(table.place) :])
        try:
            for column in self._texts[name]:
                text = plain[column]
                if isinstance(text, bytes):
                    plain[column] = text.decode()
            if rowsum(name, *plain) == total:
                return 1
        except UnicodeDecodeError:
            pass
        key = [
            part.decode(errors="surrogateescape") if isinstance(part, bytes) and column in table.texts else part
            for column, part in zip(table.place, place, strict=True)
        ]
        self.found.append(BadRow(name, tuple(key)))
        return 0


def _trigger(table: Table) -> str:
    def old(column: str) -> str:
        return f'CAST(old."{column}" AS BLOB)' if column in table.texts else f'old."{column}"'

    values = ", ".join(old(column) for column in (*table.place, *table.columns))
    return (
        f'CREATE TEMP TRIGGER "guard_{table.name}" BEFORE UPDATE ON main."{table.name}" '
        f"WHEN NOT row_right('{table.name}', old.\"sum\", {values}) "
        "BEGIN SELECT RAISE(ABORT, 'the row is damaged'); END"
    )
