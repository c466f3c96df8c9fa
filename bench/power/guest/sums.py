"""Inside the guest, by the project's own Python: reads the store as a stranger would, while the daemon runs.

Prints one line of JSON: what SQLite's integrity_check says, how many rows carry a check sum (``sum``, a generated
column whose expression stands in the schema), and how many of them have another one than their values make.
"""

import json
import re
import sqlite3
import sys
from pathlib import Path

from edge.queue.store import rowsum

_SUM = re.compile(r"\bsum\s+INTEGER[^(]*GENERATED\s+ALWAYS\s+AS\s*\((rowsum\(.*?\))\)\s*STORED", re.DOTALL)


def read(path: str) -> dict[str, object]:
    """What is found in the file at `path`."""
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)
    rowsum.register(store)
    rows, wrong = 0, 0
    for name, schema in store.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
        if (found := _SUM.search(schema or "")) is not None:
            question = f"SELECT count(*), coalesce(sum(sum IS NOT {found[1]}), 0) FROM {name}"
            here, wrong_here = store.execute(question).fetchone()
            rows, wrong = rows + here, wrong + wrong_here
    integrity = [str(row[0]) for row in store.execute("PRAGMA integrity_check(20)")]
    store.close()
    return {"integrity": integrity, "rows": rows, "wrong": wrong}


def set_aside(state: Path) -> list[str]:
    """Files that the daemon took for damaged."""
    return sorted(path.name for path in state.iterdir() if path.name.startswith("kampung-edge.db.corrupt"))


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[1]) | {"aside": set_aside(Path(sys.argv[1]).parent)}))
