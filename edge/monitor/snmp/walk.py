"""Pure: reads the columns of one table by GETBULK (RFC 3416, section 4.2.3) without trusting the agent to be honest.

Give the bindings of each answer to `take` and ask for `wanted` again until nothing is wanted. Every answer moves a
column on or ends it, and a walk takes at most one answer a row: an agent that repeats itself, goes back, answers with
foreign OIDs or never ends costs no more than an honest one.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.monitor.snmp.oids import Binding, Oid, Table, Value

Row = dict[str, Value]
MOST_BINDINGS = 40  # of one answer: well under the 1472 bytes that cross every link unfragmented
MOST_INDEX = 16  # sub-identifiers of a row's index; those read here have one or two


class Walk:
    """The state of reading `table`."""

    def __init__(self, table: Table) -> None:
        self.flaws: set[str] = set()
        self._table = table
        self._at = dict(table.columns)
        self._answers = 0
        self._rows: dict[Oid, Row] = {}

    @property
    def wanted(self) -> tuple[Oid, ...]:
        """The OIDs to continue after, one a column that is not finished; empty at the end."""
        return tuple(self._at.values())

    @property
    def repetitions(self) -> int:
        """How many rows to ask for at once."""
        return max(1, MOST_BINDINGS // max(1, len(self._at)))

    @property
    def rows(self) -> dict[Oid, Row]:
        """What was read: by row index, the values by column."""
        return self._rows

    def take(self, bindings: Sequence[Binding]) -> None:
        """Take an answer: the columns of `wanted` in turn, row after row; an agent may cut it short anywhere."""
        names = list(self._at)
        for place, (found, value) in enumerate(bindings[: len(names) * self.repetitions]):
            name = names[place % len(names)]
            if name in self._at:
                self._step(name, found, value)
        self._answers += 1
        if not bindings or self._answers > self._table.rows:
            for name in list(self._at):
                self._end(name, f"{self._table.name}: answers are empty or too short")

    def _step(self, name: str, found: Oid, value: Value) -> None:
        column = self._table.columns[name]
        index = found[len(column) :]
        if found[: len(column)] != column or not index or value is None:
            self._at.pop(name)  # the column's end
        elif found <= self._at[name]:
            self._end(name, f"{self._table.name}: OIDs do not increase")
        elif len(index) > MOST_INDEX:
            self._end(name, f"{self._table.name}: an index is too long")
        elif index not in self._rows and len(self._rows) >= self._table.rows:
            self._end(name, f"{self._table.name}: more than {self._table.rows} rows")
        else:
            self._at[name] = found
            self._rows.setdefault(index, {})[name] = value

    def _end(self, name: str, flaw: str) -> None:
        self._at.pop(name)
        self.flaws.add(flaw)
