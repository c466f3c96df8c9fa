"""A process of its own that prints Indonesia's holidays as JSON: ``python -m edge.monitor.holidays_child 2026 2027``.

The library behind it takes 20 MB and half a second, which the daemon must not spend for one table a year. Public
holidays and the government's joint leave days (cuti bersama), as far as it knows them.
"""

from __future__ import annotations

import json
import sys

from holidays import GOVERNMENT, PUBLIC, country_holidays

FIRST, LAST = 2000, 2100


def main(arguments: list[str]) -> int:
    """Print ``{"2026-01-01": name, ...}`` for the years in `arguments`; 2 when they are none."""
    try:
        years = [int(argument) for argument in arguments]
    except ValueError:
        years = []
    if not years or not all(FIRST <= year <= LAST for year in years):
        sys.stderr.write(f"usage: python -m edge.monitor.holidays_child YEAR... ({FIRST} to {LAST})\n")
        return 2
    days = country_holidays("ID", years=years, categories=(PUBLIC, GOVERNMENT), language="id")
    sys.stdout.write(json.dumps({day.isoformat(): name for day, name in sorted(days.items())}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
